"""One module is imported by several routes, and is run once."""

import sys

import palace.throne
from palace import throne as again
from palace.herald import KING, throne as third
from palace.throne import King

print(palace.throne is again is third is sys.modules["palace.throne"])
print(King.instance() is KING is palace.throne.King.instance(), King.made)
print(type(KING) is King, isinstance(KING, again.King), palace.throne.executions)
