"""A training job in small: ranks that meet, a loader with workers, a checkpoint of own classes."""

import json
import sys

from fleet import ring
from fleet.ships import Ships


def main():
    found = ring.meet(Ships(6))
    if found["rank"] == 0:
        print(json.dumps({**found, "arguments": sys.argv[1:]}), flush=True)
    if "sink" in sys.argv:
        ring.sink(found["rank"])


if __name__ == "__main__":
    main()
