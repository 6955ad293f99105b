"""A module that is reloaded runs again over what it had, and old objects stay."""

import importlib

from theatre import stage
from theatre.stage import Actor

print(stage.performances, stage.left_over())
stage.extra = "kept"
again = importlib.reload(stage)
print(again is stage, stage.performances, stage.left_over(), stage.extra)
print(Actor is stage.Actor, isinstance(stage.Actor(), Actor), Actor.__module__)
