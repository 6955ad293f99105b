"""Which stage a word of the command line is for: ``sft:train.train_iters=5``, ``prep/sft``.

``STAGE:KEY=VALUE`` is an override of one stage, and what follows the colon has the whole grammar
of overrides (``sft:+a.b=1``, ``sft:~a.c``). Without ``STAGE:`` it is one of every stage. Keys have
no colon, so the first one before any ``=`` always ends a stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemo_runspec.config.grammar import parse_override
from nemo_runspec.config.secrets import refer_in_override
from nemo_runspec.errors import UsageError
from nemo_runspec.suggest import did_you_mean

_OF_ONE_STAGE = ("run.output", "run.aliases")


def find_stage(text: str, names: Sequence[str]) -> str:
    """Find a stage by its name, by the recipe's words, or by an ending that only it has.

    Args:
        text: ``data/prep/sft``, ``data prep sft``, ``nano3/data/prep/sft`` or ``prep/sft``.
        names: The stages that there are.

    Raises:
        UsageError: There is no such stage, or the ending fits several.
    """
    wanted = "/".join(text.replace("/", " ").split())
    if wanted in names:
        return wanted
    longer = [name for name in names if name.endswith(f"/{wanted}")] if wanted else []
    shorter = [name for name in names if wanted.partition("/")[2] == name]
    found = longer or shorter
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"The stage {text!r} may be any of {', '.join(found)}.", hint="Write it in full."
        )
    raise UsageError(f"There is no stage {text!r}.", hint=did_you_mean(wanted, names))


def split_address(text: str) -> tuple[str | None, str]:
    """Split the stage off an override or another setting.

    Args:
        text: ``STAGE:REST``, or what has no stage.

    Returns:
        The stage as it was written, None where there is none; and the rest.
    """
    head, colon, rest = text.partition(":")
    if not colon or "=" in head:
        return None, text
    return head, rest


def without_secrets(text: str) -> str:
    """Let an override refer to the variables whose values no record may hold.

    Args:
        text: ``STAGE:KEY=VALUE``, or what has no stage.
    """
    stage, override = split_address(text)
    referring = refer_in_override(override)
    return referring if stage is None else f"{stage}:{referring}"


def sort_overrides(overrides: Iterable[str], names: Sequence[str]) -> list[tuple[str | None, str]]:
    """Say of each override which stage it is for.

    Args:
        overrides: The overrides as they were typed.
        names: The stages that there are.

    Returns:
        In their order: the stage, None for all of them, and the override.

    Raises:
        UsageError: There is no such stage, or nothing follows its name.
        ConfigError: The override does not follow the grammar.
    """
    found: list[tuple[str | None, str]] = []
    for text in overrides:
        written, override = split_address(text)
        if written is not None and not override:
            raise UsageError(
                f"{text!r} names a stage and no override.", hint=f"Write {text}KEY=VALUE."
            )
        found.append((None if written is None else find_stage(written, names), override))
    return found


def refuse_for_all(override: str, read_keys: Iterable[str]) -> None:
    """Refuse an override of every stage that can only be meant for one.

    Args:
        override: The override.
        read_keys: The keys in ``run`` that some recipe reads artifacts from.

    Raises:
        UsageError: It sets what a stage reads or what its artifact is called.
    """
    key = parse_override(override).key
    if key in _OF_ONE_STAGE or key in {f"run.{name}" for name in read_keys}:
        raise UsageError(
            f"'{key}' is another one for each stage.",
            where=override,
            hint=f"Say which stage is meant: STAGE:{override}",
        )
