"""A package has modules with names of the standard library, and uses both."""

import json

from clockwork import json as own
from clockwork.gears import both, stamp

print(json.dumps([1]), own.dumps([1]), both([2]), stamp())
