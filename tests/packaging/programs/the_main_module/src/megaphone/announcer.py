import sys

import __main__
from megaphone import SETTING, shout


def announce():
    return __main__.shout(), shout()


def setting():
    return sys.modules["__main__"].SETTING, SETTING


def shout_again():
    from __main__ import shout as again

    return again()
