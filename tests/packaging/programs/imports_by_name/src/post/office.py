import importlib


def sort():
    return importlib.import_module(".early", __package__).letter()
