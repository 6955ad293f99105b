"""A module ends the program with a message, after its handlers said what they say."""

import sys

from alarm import clock

try:
    clock.ring(3)
except SystemExit as error:
    print("snoozed", error.code, flush=True)
try:
    sys.exit("not yet")
except SystemExit as error:
    print(error.code, flush=True)
finally:
    print("finally", flush=True)
clock.ring(0, "up!")
