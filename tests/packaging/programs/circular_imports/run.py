"""Two modules import each other, and see what the other has by then."""

from marriage import wife
from marriage.husband import SEEN

print(SEEN, wife.SEEN)
print(wife.talk(3))
