"""A package looks into the program that it serves."""

import sys

SETTING = "loud"

from megaphone import announcer  # noqa: E402


def shout():
    return f"{SETTING} {__name__}"


print(announcer.announce(), announcer.setting())
SETTING = "quiet"
print(announcer.announce(), announcer.setting())
print(sys.modules["__main__"].__dict__ is globals(), sys.modules["__main__"].__name__)
print(announcer.shout_again(), __builtins__ is sys.modules["builtins"])
