import json
import logging

from . import json as own
from . import logging as own_logging


def both(value):
    return json.dumps(value), own.dumps(value)


def stamp():
    return logging.__name__, own_logging.NAME
