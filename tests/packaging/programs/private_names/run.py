"""Two modules have private names in common, and each goes on to use its own."""

from till.coffee import order as order_coffee
from till.tea import order as order_tea

print(order_coffee(2), order_tea(2))
print(order_coffee(1), order_tea(3))
