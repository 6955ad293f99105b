"""Examples in docstrings are found and run, and failures name their line."""

import doctest

from teaching import lessons
from teaching.pupils import check

def of_the_script():
    """
    >>> of_the_script()
    'here'
    """
    return "here"


print(doctest.testmod(lessons), doctest.testmod())
print(check())
