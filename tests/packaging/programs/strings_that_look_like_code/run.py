'''Source that is awkward to carry: quotes of all kinds, backslashes, nulls in escapes, markers.'''

import inspect

from awkward import texts
from awkward.texts import TRIPLE, quoted

print(repr(TRIPLE), quoted("x"), texts.RAW, texts.ESCAPES.encode("unicode_escape"))
print(len(inspect.getsource(texts)), texts.__doc__, __doc__)
print(inspect.getsource(quoted))
