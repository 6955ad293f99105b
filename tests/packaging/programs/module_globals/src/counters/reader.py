from counters import writer
from counters.writer import count


def current():
    return writer.count


def copied():
    return count
