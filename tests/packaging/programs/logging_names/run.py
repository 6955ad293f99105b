"""Loggers are named by their modules, and records carry the place that wrote them."""

import logging
import sys

from ship import bridge, radar

logging.basicConfig(
    stream=sys.stdout,
    level=logging.INFO,
    format="%(levelname)s %(name)s %(module)s %(filename)s:%(lineno)d %(funcName)s %(message)s",
)
logging.getLogger("ship.radar").setLevel(logging.ERROR)
logging.getLogger(__name__).info("leaving")
bridge.turn()
radar.scan()
print(sorted(name for name in logging.root.manager.loggerDict if name.startswith("ship")))
