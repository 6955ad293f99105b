"""Source in Latin-1, in UTF-8 with a mark at its start, and with names that are not ASCII."""

import inspect
import traceback

from sprachen import latein, marke
from sprachen.größe import größe, ﬁnish

print(latein.STRASSE, marke.WORT, größe(2), ﬁnish, latein.BYTES)
print(inspect.getsource(latein.strasse))
try:
    latein.strasse()
except ValueError:
    print(traceback.format_exc().splitlines()[-2:])
