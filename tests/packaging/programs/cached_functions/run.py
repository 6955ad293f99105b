"""Caches belong to the functions of their modules, whoever calls them."""

from bakery import bread, cake
from bakery.bread import bake

print([bread.bake(2), cake.bake(2), bake(2), bake(3)])
print(bread.bake.cache_info(), cake.bake.cache_info(), bake is bread.bake)
print(cake.Oven().heat, cake.Oven.heats, bread.Oven().heat, bread.Oven.heats)
bake.cache_clear()
print(bread.bake.cache_info().currsize, cake.bake.cache_info().currsize)
