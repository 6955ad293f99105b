import importlib
import pkgutil


def sounds():
    found = {}
    for item in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{item.name}")
        found[item.name] = module.sound()
    return found
