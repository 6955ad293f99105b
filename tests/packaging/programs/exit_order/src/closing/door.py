import atexit


class Keeper:
    def __del__(self):
        print(_last_words())


def _last_words():
    return "keeper of the door"


keeper = Keeper()


def _shut():
    print("door shut")


def shut_at_exit():
    atexit.register(_shut)
