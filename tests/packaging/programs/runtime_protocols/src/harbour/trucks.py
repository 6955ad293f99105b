from abc import ABC, abstractmethod


class Carrier(ABC):
    @abstractmethod
    def drive(self): ...


class Lorry(Carrier):
    def drive(self):
        return "driving"


Carrier.register(int)
