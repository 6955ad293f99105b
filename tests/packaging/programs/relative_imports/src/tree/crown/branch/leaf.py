from . import NAME as HERE
from . import fruit
from .. import NAME as ABOVE
from .. import bird
from ..bird import NAME as BIRD
from ... import NAME as TOP
from ... import root
from ...root import NAME as ROOT

NAME = "leaf"


def report():
    from ...crown.branch import leaf

    try:
        from .... import nothing
    except ImportError as error:
        beyond = str(error)
    return [NAME, HERE, fruit.NAME, ABOVE, bird.NAME, BIRD, TOP, root.NAME, ROOT, leaf.NAME, beyond]
