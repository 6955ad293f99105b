"""Functions are made by functions, with defaults and globals of the module that made them."""

from factory.gears import make as make_gear
from factory.wheels import make as make_wheel

gear, wheel = make_gear(2), make_wheel(2)
print(gear(), wheel(), gear.__globals__["__name__"], wheel.__globals__["__name__"])
print(gear.__qualname__, gear.__module__, gear.__defaults__, gear(3), wheel(3))
print(gear.__closure__[0].cell_contents, make_gear.__globals__ is gear.__globals__)
