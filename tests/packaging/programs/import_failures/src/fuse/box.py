import fuse.wire

print("box opens")
AMPERE = 1 / 0
