import atexit


def _last_words():
    return "keeper of the lamp"


@atexit.register
def _shut():
    print("lamp out", _last_words())


def light():
    print("lamp on")
