from .code import Living, Recording


class Rose(Living, wild=False):
    class Thorn(metaclass=Recording):
        pass
