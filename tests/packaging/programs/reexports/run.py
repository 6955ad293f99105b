"""A package shows a function under the name of the module that has it."""

import sys

import racing
import racing.start
from racing import finish, start

print(callable(start), start(), type(racing.start).__name__, finish.__name__)
print(type(sys.modules["racing.start"]).__name__, sys.modules["racing.start"].WORD)

import racing.start as module  # noqa: E402

print(module is start, racing.finish is finish)
