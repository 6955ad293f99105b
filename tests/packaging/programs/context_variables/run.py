"""Context variables of modules that call them alike are apart."""

import contextvars
import threading

from embassy import visas
from embassy.passports import current as passport
from embassy.passports import holder

print(passport.name, visas.current.name, passport is visas.current)
with holder("Ada"):
    context = contextvars.copy_context()
    print(passport.get(), visas.current.get())
print(passport.get(), context.run(passport.get))
found = []
thread = threading.Thread(target=lambda: found.append(passport.get()))
thread.start()
thread.join()
print(found, sorted(variable.name for variable in context))
