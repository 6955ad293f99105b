from .code import Living


class Rose(Living, wild=True):
    pass
