import palace.throne
from . import throne
from .throne import King

KING = King.instance()
assert throne is palace.throne
