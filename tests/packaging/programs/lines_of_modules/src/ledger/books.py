# The first line.
import traceback


def page():
    return [(item.lineno, item.line) for item in traceback.extract_stack()][-1]
