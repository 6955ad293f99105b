"""Annotations are text, and are looked up in the module that wrote them."""

import dataclasses
import typing

from letters import inbox, outbox


def shown(cls):
    return {name: f"{hint.__module__}.{hint.__qualname__}" for name, hint in hints(cls).items()}


def hints(cls):
    return typing.get_type_hints(cls)


print(shown(inbox.Letter))
print(shown(outbox.Letter))
print([(field.name, field.type) for field in dataclasses.fields(outbox.Letter)])
print(outbox.Letter(inbox.Stamp(1)), outbox.Letter.total)
