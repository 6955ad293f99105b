_REGISTRY = {}


def register(function):
    key = f"{function.__module__}:{function.__qualname__}"
    if key in _REGISTRY:
        raise KeyError(key)
    _REGISTRY[key] = function
    return function


def registered():
    return dict(_REGISTRY)
