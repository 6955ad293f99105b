"""Decorators fill a registry by the names of modules and of functions, which are alike."""

import plugins_of_shapes  # noqa: F401 - fills the registry
from shapes_registry import registered

for key, function in sorted(registered().items()):
    print(key, function(3))
