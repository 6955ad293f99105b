"""A Ray driver in small: tasks and actors of its own module, of its package, and nested ones."""

import json
import sys

import ray
from ray import cloudpickle

from convoy import depots, goods
from convoy.goods import LostParcel, Parcel


OF_ITS_OWN = {"runtime_env": {"env_vars": {"CONVOY_SIZE": "3"}}}


@ray.remote
def weigh(parcel):
    """Travels by value, and brings a reference to its package along."""
    return goods.weighed(parcel), isinstance(parcel, Parcel), __name__


@ray.remote(max_restarts=1)
class Clerk(depots.Clerk):
    """Travels by value; its base class does so by reference."""


def main():
    ray.init(*sys.argv[1:2], log_to_driver=False, **json.loads(sys.argv[2]))
    parcel = Parcel("tea", 3)
    clerk, depot = Clerk.remote(), depots.Depot.remote()
    ray.get([clerk.take.remote(parcel), clerk.take.remote(Parcel("tin", 4))])
    found = {
        "by value": ray.get(weigh.remote(parcel)),
        "by reference": ray.get(depots.unload.remote(parcel)),
        "nested": ray.get(depots.relay.remote(parcel)),
        "put": ray.get(ray.put(parcel)) == parcel,
        "actor": ray.get(clerk.told.remote()),
        "actor of a package": ray.get(depot.store.remote(parcel)),
        "closure": ray.get(ray.remote(depots.multiplier(5)).remote(parcel)),
        "cloudpickle": cloudpickle.loads(cloudpickle.dumps(lambda: goods.weighed(parcel)))(),
        "hook": ray.get(depots.hooked.remote()),
        "environment": ray.get(depots.unload.options(**OF_ITS_OWN).remote(parcel)),
        "actor's environment": ray.get(
            depots.Depot.options(**OF_ITS_OWN).remote().store.remote(parcel)
        )[1],
    }
    try:
        ray.get(depots.unload.remote(Parcel("glass", -1)))
    except LostParcel as error:
        found["lost"] = error.parcel.content
        found["line"] = [line.strip() for line in str(error).splitlines() if "raise" in line]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
