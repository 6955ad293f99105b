"""Objects that modules hold weakly live as long as those that hold them.

Survives pasting: one set for all; kept for the importer, which must not hold modules' objects.
"""

import gc

from observers.subject import Subject, count

subject = Subject()
print(count())
del subject
gc.collect()
print(count())
