"""A dataclass asks the module of its class what `ClassVar` and `KW_ONLY` mean there."""

from dataclasses import fields
from typing import get_type_hints

from garden.beds import Bed
from garden.pots import Pot

print([(field.name, field.kw_only) for field in fields(Bed)], Bed.count)
print([(field.name, field.kw_only) for field in fields(Pot)], Pot("clay", count=2, size=3))
print(get_type_hints(Bed)["count"], get_type_hints(Pot)["count"])
