"""Reversible patches of code that this project does not own.

A patch is an object: what it replaces, whether the installed version can take it, how to put it
on and how to take it off. Adapters keep theirs in ``<adapter>/patches.py``.
"""

from __future__ import annotations

import functools
import importlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.errors import NemotronError

logger = logging.getLogger(__name__)

# On the replacement itself, so that two Patch objects of one name find each other without a
# registry; functools.wraps carries it through the wrappers of others.
_MARK = "__nemotron_patches__"
_ABSENT = object()
_LOCK = threading.RLock()
_OTHER_VERSION = "Install a version of the framework that this adapter supports."


class PatchError(NemotronError):
    """The installed version of a framework has no place for a patch."""


@dataclass(frozen=True)
class Support:
    """Whether an installed version can take a patch, and why it is so."""

    supported: bool
    reason: str


def always_supported() -> Support:
    """Say yes: for patches that need nothing but their target."""
    return Support(supported=True, reason="the target is all that the patch needs")


@dataclass(eq=False)
class Patch:
    """Replaces one function of somebody else's module or class, and puts it back.

    Args:
        name: What the patch does; a target carries a patch of one name once.
        target: ``"package.module:function"`` or ``"package.module:Class.method"``.
        build: Takes the original and returns its replacement.
        check: Says whether the installed version needs and can take the patch.
    """

    name: str
    target: str
    build: Callable[[Callable[..., Any]], Callable[..., Any]]
    check: Callable[[], Support] = always_supported
    _site: _Site | None = field(default=None, init=False, repr=False)

    @property
    def applied(self) -> bool:
        """Whether the replacement is in place."""
        return self._site is not None

    def apply(self) -> Patch:
        """Put the replacement in place, unless a patch of this name stands there already.

        Returns:
            The patch that is in place: this one or the earlier one. Where the installed version
            does not need it, this one, not applied, with the reason in the log.

        Raises:
            PatchError: The target does not exist.
        """
        support = self.check()
        if not support.supported:
            logger.info("Patch %r is not applied: %s.", self.name, support.reason)
            return self
        with _LOCK:
            owner, attribute = locate(self.target)
            original = getattr(owner, attribute)
            earlier = _patch_named(self.name, original)
            if earlier is not None:
                return earlier
            self._site = _replace(owner, attribute, self._marked(original))
        logger.info("Patch %r is applied to %s.", self.name, self.target)
        return self

    def undo(self) -> None:
        """Put back what was found; a replacement that others put on top is left alone."""
        with _LOCK:
            if self._site is None:
                return
            if not self._site.restore():
                logger.warning(
                    "Patch %r stays: %s was replaced again since.", self.name, self.target
                )
                return
            self._site = None

    def _marked(self, original: Callable[..., Any]) -> Callable[..., Any]:
        replacement = self.build(original)
        vars(replacement)[_MARK] = (self, *getattr(original, _MARK, ()))
        return replacement


def locate(target: str) -> tuple[Any, str]:
    """Return the module or class that holds a target, and the name it holds it under.

    Args:
        target: ``"package.module:function"`` or ``"package.module:Class.method"``.

    Raises:
        PatchError: The module cannot be imported, or lacks the attribute.
    """
    module_name, _, path = target.partition(":")
    *parents, attribute = path.split(".")
    module = _imported(module_name)
    if not _reaches(module, path):
        raise PatchError(
            f"{module_name} has no {path}, so there is nothing to patch.", hint=_OTHER_VERSION
        )
    return functools.reduce(getattr, parents, module), attribute


def first_present(targets: Sequence[str]) -> str:
    """Return the first target that exists, for frameworks that moved a function.

    Args:
        targets: Candidates in order of preference, all of one module.

    Raises:
        PatchError: The module cannot be imported, or none of them exists.
    """
    owner = _imported(targets[0].partition(":")[0])
    for target in targets:
        if _reaches(owner, target.partition(":")[2]):
            return target
    names = " nor ".join(target.partition(":")[2] for target in targets)
    raise PatchError(
        f"{owner.__name__} has neither {names}, so there is nothing to patch.",
        hint=_OTHER_VERSION,
    )


def after(
    hook: Callable[..., object], log: logging.Logger
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Build a replacement that calls the original, then a hook with the same arguments.

    The hook does not run when the original raised, and never raises into the caller: whatever
    it raises is logged.

    Args:
        hook: Called with the original's arguments.
        log: Where the hook's errors go.
    """

    def build(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            try:
                hook(*args, **kwargs)
            except Exception:  # whatever a hook raises, training goes on
                log.exception("The hook after %s failed; training goes on.", original.__qualname__)
            return result

        return replacement

    return build


@dataclass(frozen=True)
class _Site:
    owner: Any
    attribute: str
    found: Any
    replacement: Any

    def restore(self) -> bool:
        if vars(self.owner).get(self.attribute) is not self.replacement:
            return False
        if self.found is _ABSENT:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.found)
        return True


def _replace(owner: Any, attribute: str, replacement: Callable[..., Any]) -> _Site:
    found = vars(owner).get(attribute, _ABSENT)
    setattr(owner, attribute, replacement)
    return _Site(owner, attribute, found, replacement)


def _patch_named(name: str, function: Callable[..., Any]) -> Patch | None:
    patches: tuple[Patch, ...] = getattr(function, _MARK, ())
    return next((patch for patch in patches if patch.name == name), None)


def _reaches(owner: Any, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


def _imported(module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise PatchError(
            f"{module_name} cannot be imported ({error}).",
            hint="Apply the patch in the environment that runs the framework.",
        ) from error
