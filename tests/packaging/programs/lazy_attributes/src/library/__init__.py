def __getattr__(name):
    if name == "read":
        from library.reading import read

        return read
    if name == "shelve":
        from .shelving import shelve

        globals()["shelve"] = shelve
        return shelve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return ["read", "shelve"]
