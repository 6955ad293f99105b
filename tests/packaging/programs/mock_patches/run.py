"""`unittest.mock.patch` finds what it replaces by dotted names, and puts it back."""

from unittest import mock

from airport import tower
from airport.gates import open_gate

with mock.patch("airport.gates.number", return_value=99) as number:
    print(open_gate(), tower.clear(), number.call_count)
with mock.patch.object(tower, "open_gate", lambda: "object"):
    print(tower.clear(), open_gate())
with mock.patch.dict("airport.gates.SETTINGS", {"open": "shut"}):
    print(open_gate())
with mock.patch("airport.tower.open_gate", autospec=True) as replaced:
    replaced.return_value = "spec"
    print(tower.clear(), open_gate())
print(open_gate(), tower.clear())
