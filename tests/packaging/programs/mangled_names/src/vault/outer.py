from vault import inner


class Safe(inner.Safe):
    def __init__(self, secret, other):
        super().__init__(secret)
        self.__other = other

    def outer(self):
        return self.__other, self._Safe__secret
