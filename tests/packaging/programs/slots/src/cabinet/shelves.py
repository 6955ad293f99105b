from cabinet import drawers


class Counted:
    def __set_name__(self, owner, name):
        self.name = f"{owner.__module__}.{owner.__qualname__}.{name}"

    def __set__(self, instance, value):
        instance.kept = value

    def __get__(self, instance, owner):
        return instance.kept * 2

    def __repr__(self):
        return f"<{self.name}>"


class Drawer(drawers.Drawer):
    __slots__ = ("kept",)
    books = Counted()
