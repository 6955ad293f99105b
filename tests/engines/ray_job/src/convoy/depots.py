import os

import ray

from convoy import goods
from convoy.goods import Parcel


@ray.remote
def unload(parcel):
    return goods.weighed(parcel)


@ray.remote
def relay(parcel):
    return ray.get(unload.remote(Parcel(parcel.content, parcel.weight * 2)))


@ray.remote
def hooked():
    return os.environ.get("CONVOY_HOOKED")


class Clerk:
    def __init__(self):
        self.parcels = []

    def take(self, parcel):
        self.parcels.append(parcel)

    def told(self):
        return [goods.weighed(parcel) for parcel in self.parcels]


@ray.remote
class Depot:
    def store(self, parcel):
        return repr(parcel), ray.get(unload.remote(parcel))


def multiplier(times):
    def multiplied(parcel):
        return goods.weighed(Parcel(parcel.content, parcel.weight * times))

    return multiplied
