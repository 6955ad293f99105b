"""At the end, functions are called and objects die in the order that they would."""

import atexit

from closing import door, lamp
from closing.lamp import light


class Guest:
    def __del__(self):
        print("guest leaves")


guest = Guest()
atexit.register(print, "script's own")
door.shut_at_exit()
light()
del guest
print(door.__name__, lamp.__name__)
