"""The script's folder has modules and packages of its own, which import each other."""

import helper
from tools_beside import measure
from tools_beside.measure import UNIT

print(helper.help_with(3), measure.length("abc"), UNIT, helper.__name__, measure.__package__)
