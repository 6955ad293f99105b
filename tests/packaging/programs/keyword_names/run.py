"""Names that a program may have: soft keywords, dunder names, one letter, no letter."""

from odd.match import case as soft
from odd.type import _, __version__, x as type_x
from odd import _private

print(soft, _, __version__, type_x, _private.x, _private.__all__)
