"""Examples in docstrings are found and run, and failures name their line."""

import doctest

from teaching import lessons
from teaching.pupils import check

print(doctest.testmod(lessons))
print(check())
