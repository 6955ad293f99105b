known = []


class Recording(type):
    def __new__(meta, name, bases, namespace, **options):
        known.append((namespace["__module__"], namespace["__qualname__"], sorted(options)))
        return super().__new__(meta, name, bases, namespace)

    def __init__(cls, name, bases, namespace, **options):
        super().__init__(name, bases, namespace)

    def kind(cls):
        return cls.__module__.rpartition(".")[2]


class Living(metaclass=Recording):
    def __init_subclass__(cls):
        known.append(("subclass", cls.__module__))
