import doctest
import io
import sys
from contextlib import redirect_stdout


def wrong():
    """
    >>> wrong()
    'right'
    """
    return "wrong"


def check():
    shown = io.StringIO()
    with redirect_stdout(shown):
        doctest.testmod(sys.modules[__name__])
    return [line.rpartition("/")[2] for line in shown.getvalue().splitlines() if "line" in line]
