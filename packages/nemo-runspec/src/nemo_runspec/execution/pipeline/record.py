"""The record of a chain that was started: ``pipe.json`` in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from nemo_runspec.distributed.folders import propose_run_directory
from nemo_runspec.errors import UsageError
from nemo_runspec.execution.jobs.documents import (
    damaged,
    known_fields,
    read_document,
    unwritable,
    write_document,
)
from nemo_runspec.suggest import did_you_mean

# Where chains have their folders, below the working directory: FAMILY/STAMP.
PIPES_FOLDER = Path(".nemotron", "pipes")
RECORD_FILE = "pipe.json"
FORMAT_VERSION = 1
_ABOUT = "The chain's record"
_ANEW = "Start the chain anew; what its stages recorded is not lost."

PipeMode: TypeAlias = Literal["local", "run", "batch"]
StageState: TypeAlias = Literal[
    "waiting", "submitted", "running", "succeeded", "failed", "cancelled"
]

_GRAVEST_FIRST: tuple[StageState, ...] = (
    "failed",
    "cancelled",
    "running",
    "submitted",
    "waiting",
    "succeeded",
)

# A stage whose process or job may still make something.
LIVE: frozenset[StageState] = frozenset({"submitted", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """What a stage reads.

    Attributes:
        key: Its key in the config's ``run`` section.
        requested: The reference or path as the configuration has it.
        reference: What the stage is given: a version, or the name with the chain's alias.
        source: The stage of the chain that makes it; None for what was there before.
        pinned: The version that was read; None until the stage starts.
    """

    key: str
    requested: str
    reference: str
    source: str | None = None
    pinned: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """Where one stage stands.

    Attributes:
        name: The stage.
        recipe: Its recipe's name.
        config: Name or path of its configuration.
        output: The name that its artifact is recorded under.
        inputs: What it reads.
        state: Where it stands.
        run_dir: The run directory of its latest attempt; None before the first.
        job: The id of its latest job, where it was submitted; None for a process of this machine.
        artifact: The version that it handed on, such as ``nano3-sft-model:v4``.
        exit_code: How its latest attempt ended; None before that, or where nobody knows.
        reason: Why it ended so, in one sentence; None where there is nothing to say.
        started_at: When its latest attempt began, in ISO 8601 with the zone.
        finished_at: When it ended.
    """

    name: str
    recipe: str
    config: str
    output: str
    inputs: tuple[InputRecord, ...] = ()
    state: StageState = "waiting"
    run_dir: str | None = None
    job: str | None = None
    artifact: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeRecord:
    """A chain that was started.

    Attributes:
        id: What tells it from others of its family; the alias of its artifacts ends with it.
        family: The first word of its recipes.
        created_at: When it was started first, in ISO 8601 with the zone.
        argv: The command line that started it, without secrets.
        config: Name of the configuration of every stage; None for each recipe's default.
        stage_configs: Stage to the configuration that it has instead.
        overrides: Its overrides as they were typed.
        root: The manifest root; None where manifests are off.
        mode: ``local``, or how its jobs are submitted.
        profile: The profile that they are submitted with.
        stages: Its stages, in their order.
        format_version: The version of this record's format.
    """

    id: str
    family: str
    created_at: str
    argv: tuple[str, ...]
    config: str | None
    stage_configs: Mapping[str, str]
    overrides: tuple[str, ...]
    root: str | None
    mode: PipeMode
    profile: str | None
    stages: tuple[StageRecord, ...]
    format_version: int = FORMAT_VERSION

    @property
    def alias(self) -> str:
        """The alias that every artifact of this chain gets."""
        return pipe_alias(self.id)

    @property
    def state(self) -> StageState:
        """Where the whole chain stands."""
        states: set[StageState] = {stage.state for stage in self.stages}
        return min(states, key=_GRAVEST_FIRST.index)

    def stage(self, name: str) -> StageRecord:
        """Find a stage by its name."""
        return next(stage for stage in self.stages if stage.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Give the record as JSON data."""
        return asdict(self)


def pipe_alias(pipe_id: str) -> str:
    """The alias of everything that a chain records."""
    return f"pipe-{pipe_id}"


def new_pipe_folder(cwd: Path, family: str) -> Path:
    """Propose a folder for a new chain; its name is the chain's id."""
    return pipe_folder(cwd, family, new_stamp(cwd, family))


def pipe_folder(cwd: Path, family: str, pipe_id: str) -> Path:
    """The folder of a chain."""
    return cwd.absolute() / PIPES_FOLDER / family / pipe_id


def new_stamp(cwd: Path, family: str) -> str:
    """Propose what tells a chain, or a submission of its stages, from others of its family."""
    # That of a run directory: a time that sorts, and what tells two of one second apart.
    return propose_run_directory(cwd, family).name


def utc_now() -> str:
    """This moment, in ISO 8601 with its zone, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class PipeFile:
    """The record on disk: every change is written at once, whole.

    Args:
        folder: The chain's folder.
        record: What it holds.
    """

    def __init__(self, folder: Path, record: PipeRecord) -> None:
        self.folder = folder
        self.record = record

    def create(self) -> None:
        """Create the folder, and write the record.

        Raises:
            ExecutionError: They cannot be written.
        """
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise unwritable(self.folder, error, about=_ABOUT) from error
        self._write()

    def update(self, name: str, **changes: Any) -> StageRecord:
        """Change what is recorded of one stage.

        Args:
            name: The stage.
            changes: Fields of :class:`StageRecord`.

        Raises:
            ExecutionError: It cannot be written.
        """
        changed = replace(self.record.stage(name), **changes)
        stages = tuple(changed if each.name == name else each for each in self.record.stages)
        self.replace(replace(self.record, stages=stages))
        return changed

    def replace(self, record: PipeRecord) -> None:
        """Put another record in its place.

        Raises:
            ExecutionError: It cannot be written.
        """
        self.record = record
        self._write()

    def _write(self) -> None:
        write_document(self.folder / RECORD_FILE, self.record.as_dict(), about=_ABOUT)


def read_pipe(folder: Path) -> PipeFile:
    """Read the record of a chain.

    Raises:
        ExecutionError: It is damaged, or a newer release wrote it.
    """
    file = folder / RECORD_FILE
    try:
        content = read_document(file, about=_ABOUT, version=FORMAT_VERSION, hint=_ANEW)
        return PipeFile(folder, _parsed(content))
    except (OSError, TypeError, KeyError, AttributeError) as error:
        raise damaged(file, error, about=_ABOUT, hint=_ANEW) from error


def list_pipes(cwd: Path, family: str) -> list[Path]:
    """List the folders of a family's chains, the oldest first."""
    files = (cwd.absolute() / PIPES_FOLDER / family).glob(f"*/{RECORD_FILE}")
    return sorted(file.parent for file in files)


def find_pipe(cwd: Path, family: str, text: str | None = None) -> PipeFile:
    """Find a chain that was started from a folder.

    Args:
        cwd: The working directory of the command that started it.
        family: The first word of its recipes.
        text: Its id, the beginning or the end of it, or its alias; None for the latest.

    Raises:
        UsageError: There is no such chain, or there are several.
        ExecutionError: Its record cannot be read.
    """
    folders = list_pipes(cwd, family)
    if not folders:
        raise UsageError(
            f"No chain of {family} was started from here.",
            where=str(cwd.absolute() / PIPES_FOLDER / family),
            hint=f"Start one with 'nemotron {family} pipe', or change to the folder that you did "
            "it in.",
        )
    if text is None:
        return read_pipe(folders[-1])
    wanted = text.removeprefix(pipe_alias(""))
    exact = [each for each in folders if each.name == wanted]
    found = exact or [each for each in folders if _fits(each.name, wanted)]
    if len(found) == 1:
        return read_pipe(found[0])
    raise _not_one(text, [each.name for each in found], [each.name for each in folders])


def _fits(stamp: str, wanted: str) -> bool:
    return bool(wanted) and (stamp.startswith(wanted) or stamp.endswith(wanted))


def _not_one(text: str, found: list[str], known: Iterable[str]) -> UsageError:
    if found:
        return UsageError(f"{text!r} may be any of {', '.join(found)}.", hint="Write more of it.")
    return UsageError(f"There is no chain {text!r}.", hint=did_you_mean(text, known))


def _parsed(content: Mapping[str, Any]) -> PipeRecord:
    stages = [_stage(each) for each in content["stages"]]
    known = known_fields(PipeRecord, content)
    lists = {key: tuple(content[key]) for key in ("argv", "overrides")}
    return PipeRecord(**{**known, **lists, "stages": tuple(stages)})


def _stage(content: Mapping[str, Any]) -> StageRecord:
    inputs = tuple(InputRecord(**known_fields(InputRecord, each)) for each in content["inputs"])
    return StageRecord(**{**known_fields(StageRecord, content), "inputs": inputs})
