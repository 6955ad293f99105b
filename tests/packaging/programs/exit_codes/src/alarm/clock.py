import sys

import alarm


def ring(code, message=None):
    if message:
        sys.exit(message)
    alarm.ring(code)
