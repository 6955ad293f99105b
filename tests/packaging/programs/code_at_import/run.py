"""Modules say something when they are run, each once, in the order of imports."""

print("script starts")

from parade import drums  # noqa: E402

print("between", drums.BEAT)

if drums.BEAT > 3:
    from parade.flags import FLAG
else:
    from parade.rain import FLAG

print(FLAG)


def later():
    from parade import fireworks

    return fireworks.COLOUR


print("last", later(), later())
