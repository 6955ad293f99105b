class Peg:
    pass


Bit = bytes
