SETTINGS = {"open": "open"}


def number():
    return 7


def open_gate():
    return f"gate {number()} {SETTINGS['open']}"
