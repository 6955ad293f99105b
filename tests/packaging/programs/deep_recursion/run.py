"""A recursion across modules ends at the limit that it always had."""

import sys

from mirrors import left
from mirrors.left import look as look_left

sys.setrecursionlimit(400)
try:
    look_left(0)
except RecursionError as error:
    print(str(error)[:32], left.deepest > 350)
print(left.deepest % 2 == left.deepest % 2, left.look.__module__)
