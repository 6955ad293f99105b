"""Protocols and abstract classes of one name are kept apart when instances are checked."""

from harbour import boats, trucks
from harbour.boats import Carrier as BoatCarrier
from harbour.trucks import Carrier as TruckCarrier

for thing in (boats.Ferry(), trucks.Lorry(), 3):
    print(isinstance(thing, BoatCarrier), isinstance(thing, TruckCarrier))
print(BoatCarrier.__module__, TruckCarrier.__module__, issubclass(int, TruckCarrier))
