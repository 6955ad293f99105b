"""Lines are found by file name: linecache, code positions, and frames of the stack."""

import linecache
import sys
from pathlib import Path

from ledger import books
from ledger.books import page


def lines(file, *numbers):
    return [linecache.getline(file, number).strip() for number in numbers]


print(lines(books.__file__, 1, 2, 5), page())
print(lines(page.__code__.co_filename, page.__code__.co_firstlineno))
linecache.checkcache()
print(lines(books.__file__, 1), linecache.getline(books.__file__, 999) == "")
linecache.clearcache()
print(linecache.getlines(books.__file__, vars(books))[0].strip(), page())
frame = sys._getframe()
print(Path(frame.f_code.co_filename).name, lines(frame.f_code.co_filename, frame.f_lineno))
