"""Every module knows its own name, package and specification."""

import sys

from census import household
from census.district import street

print(__name__, __package__ or None, __spec__)
print(household.NAMES)
print(street.NAMES)
print(street.__spec__.name, street.__spec__.parent, street.__spec__.has_location)
print(sys.modules["census"].__package__, sys.modules["census.district"].__package__)
print(sys.modules["census"].__spec__.submodule_search_locations is not None)
print(street.resident.__module__, street.resident.__qualname__, type(street).__name__)
