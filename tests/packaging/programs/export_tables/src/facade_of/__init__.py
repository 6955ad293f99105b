import importlib

_EXPORTS = {
    "build": "facade_of.builders:build",
    "paint": "facade_of.painters:paint",
}


def __getattr__(name):
    if name not in _EXPORTS:
        raise AttributeError(name)
    module, _, attribute = _EXPORTS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__():
    return sorted(_EXPORTS)
