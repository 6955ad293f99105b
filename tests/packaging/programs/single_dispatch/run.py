"""Modules register their types with a function of another, and do so once they are imported."""

from menu import cook
from menu.dishes import Dish

print(cook(1), cook("egg"), cook(Dish()))

from menu import registration  # noqa: E402

print(cook(1), cook("egg"), cook(Dish()), registration.Dish.__module__, cook(registration.Dish()))
print(sorted(f"{kind.__module__}.{kind.__name__}" for kind in cook.registry))
