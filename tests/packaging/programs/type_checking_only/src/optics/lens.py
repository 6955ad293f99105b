from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from another_thing_that_nobody_has import Prism

    from optics.heavy import Heavy as Weight
else:
    from optics.light import WEIGHT as Weight

if not t.TYPE_CHECKING:
    LOADED = sorted(name for name in globals() if name in {"Weight", "Prism"})


def focus(distance: Prism) -> Weight:
    return distance * Weight
