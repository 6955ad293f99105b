"""Exceptions of one name are caught as what they are."""

from circuit import breaker, fuse_of
from circuit.breaker import Error as BreakerError
from circuit.fuse_of import Error as FuseError


def attempt(function):
    try:
        function()
    except BreakerError as error:
        return f"breaker: {error!r} {type(error).__module__}"
    except FuseError as error:
        return f"fuse: {error!r} {type(error).__module__}"


print(attempt(breaker.trip))
print(attempt(fuse_of.blow))
print(attempt(fuse_of.handled))
raise FuseError("the end")
