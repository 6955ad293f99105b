"""What is wrong with a store, and the cure of each fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from nemo_runspec.artifacts.paths import expand_home, local_path
from nemo_runspec.errors import StoreError
from nemo_runspec.json_values import json_text
from nemo_runspec.manifest_tracker.files import StoreFiles
from nemo_runspec.manifest_tracker.files.base import StoreReport
from nemo_runspec.manifest_tracker.parallel import in_parallel
from nemo_runspec.manifest_tracker.schema import Manifest
from nemo_runspec.manifest_tracker.survey import (
    NameRecord,
    VersionRecord,
    artifact_folders,
    survey_name,
)
from nemo_runspec.manifest_tracker.tracker import ManifestTracker
from nemo_runspec.manifest_tracker.versions import (
    alias_path,
    hint_path,
    manifest_path,
    metadata_path,
    parse_version_text,
    version_text,
)

_REPAIR = "Make it again: nemotron artifacts doctor --repair"
_CORE = ("name", "version", "type", "path")


@dataclass(frozen=True)
class Finding:
    """Something about a store that is not as it should be.

    Attributes:
        where: The full path or URL.
        problem: What is wrong, in a sentence.
        cure: What to do about it, in a sentence.
        harmless: Whether everything works all the same.
        repair: The file, relative to the root, and the content that make it right, where that
            can be derived.
    """

    where: str
    problem: str
    cure: str
    harmless: bool = False
    repair: tuple[str, bytes] | None = None


@dataclass(frozen=True)
class Examination:
    """What was found out about a store.

    Attributes:
        root: The store.
        report: How it publishes; None where that could not be tried.
        names: How many names it holds.
        versions: How many versions it holds.
        findings: What is not as it should be.
    """

    root: str
    report: StoreReport | None
    names: int = 0
    versions: int = 0
    findings: list[Finding] = field(default_factory=list)


def examine_store(tracker: ManifestTracker) -> Examination:
    """Try out what a store honours, and look for what is damaged or left over.

    Where nothing can be written, what can be read is examined all the same.

    Raises:
        StoreError: There is nothing at the root, or it cannot be read at all.
    """
    _refuse_missing(tracker.root)
    folders = artifact_folders(tracker)
    report, findings = _try_out(tracker)
    records = [survey_name(tracker, name) for name in folders]
    for record in records:
        findings += _examine_name(tracker.files, record)
    return Examination(
        root=tracker.root,
        report=report,
        names=sum(1 for record in records if record.versions or record.problem),
        versions=sum(len(record.versions) for record in records),
        findings=findings,
    )


def repair_store(tracker: ManifestTracker, examination: Examination) -> list[Finding]:
    """Make again what can be derived: hints, and dumps beside manifests.

    Returns:
        The findings that were repaired.

    Raises:
        StoreError: The storage refused.
    """
    repaired = []
    for finding in examination.findings:
        if finding.repair is not None:
            tracker.files.replace(*finding.repair)
            repaired.append(finding)
    return repaired


def _refuse_missing(root: str) -> None:
    local = local_path(root)
    if local is None or expand_home(local).exists():
        return
    raise StoreError(
        "There is no store here.",
        where=root,
        hint="Check the spelling; the first version that is recorded creates it.",
    )


def _try_out(tracker: ManifestTracker) -> tuple[StoreReport | None, list[Finding]]:
    files = tracker.files
    try:
        report = files.examine()
    except StoreError as error:
        refused = isinstance(error.__cause__, OSError)
        where = files.root if refused else error.where or files.root
        return None, [Finding(where, error.what, error.hint or "Check that you may write there.")]
    findings = [
        Finding(
            place,
            "A writer left it behind, or is at work.",
            "None needed: it goes when it is a day old and something is recorded.",
            harmless=True,
        )
        for place in report.leftovers
    ]
    if not report.create_only:
        findings.append(_ignores_create_only(tracker))
    return report, findings


def _ignores_create_only(tracker: ManifestTracker) -> Finding:
    return Finding(
        tracker.root,
        "The storage lets a second writer overwrite a version.",
        "Use another storage, or declare artifacts.manifest.single_writer=true and see to it that "
        "one process writes at a time.",
        harmless=tracker.single_writer,
    )


def _examine_name(files: StoreFiles, record: NameRecord) -> Iterator[Finding]:
    if record.problem is not None:
        where = files.locate(record.name)
        problem = record.problem.removeprefix(f"{where}: ")
        yield Finding(where, problem, "Check that you may read the folder.")
        return
    yield from _unreadable(files, record)
    yield from _folders_without_manifest(files, record)
    yield from _aliases(files, record)
    if record.versions:
        yield from _hint(files, record)
    checked = in_parallel(lambda version: _dump(files, version), record.versions)
    yield from (finding for finding in checked if finding is not None)


def _unreadable(files: StoreFiles, record: NameRecord) -> Iterator[Finding]:
    for version in record.versions:
        if version.problem is not None:
            where = files.locate(manifest_path(record.name, version.version))
            yield Finding(
                where,
                f"{version.ref} cannot be read: {version.problem.removeprefix(f'{where}: ')}",
                "Restore the file from a backup; without one, record the data again as a new "
                "version.",
            )


def _folders_without_manifest(files: StoreFiles, record: NameRecord) -> Iterator[Finding]:
    last = max((version.version for version in record.versions), default=0)
    present = {version.version for version in record.versions}
    for number in range(1, last):
        if number not in present:
            yield Finding(
                files.locate(manifest_path(record.name, number)),
                f"{record.name}:v{number} is missing, and later versions exist.",
                "Restore its manifest from a backup: until then latest may be read as "
                f"v{number - 1}."
                if number > 1
                else "Restore its manifest from a backup.",
            )
    for number in record.empty:
        if number > last:
            yield Finding(
                files.locate(f"{record.name}/v{number}"),
                "The folder has no manifest: a writer died, or is at work.",
                "None needed: the next version takes it.",
                harmless=True,
            )


def _aliases(files: StoreFiles, record: NameRecord) -> Iterator[Finding]:
    withdrawn = {v.version for v in record.versions if v.withdrawal is not None}
    for alias in record.aliases:
        problem = alias.problem
        if problem is None and alias.version in withdrawn:
            problem = f"v{alias.version} was withdrawn"
        if problem is not None:
            yield Finding(
                files.locate(alias_path(record.name, alias.alias)),
                f"The alias {record.name}:{alias.alias} means no version in use: {problem}.",
                f"Set it again: nemotron artifacts alias {record.name}:vN {alias.alias}",
            )


def _hint(files: StoreFiles, record: NameRecord) -> Iterator[Finding]:
    path = hint_path(record.name)
    last = _last_in_use(record)
    text = files.read(path)
    hint = parse_version_text(text)
    problem = None
    if text is None and last:
        problem = "It is missing; finding the latest version takes longer."
    elif text is not None and hint == 0:
        problem = "It is damaged; finding the latest version takes longer."
    elif hint > record.versions[-1].version:
        problem = f"It says v{hint}, which does not exist."
    elif _is_withdrawn(record, hint):
        problem = f"It says v{hint}, which was withdrawn."
    if problem is not None:
        repair = (path, version_text(last)) if last else None
        cure = _REPAIR if last else f"Delete it, or restore a version of {record.name}."
        yield Finding(files.locate(path), problem, cure, harmless=hint == 0, repair=repair)


def _last_in_use(record: NameRecord) -> int:
    return max((v.version for v in record.versions if v.withdrawal is None), default=0)


def _is_withdrawn(record: NameRecord, number: int) -> bool:
    return any(v.version == number and v.withdrawal is not None for v in record.versions)


def _dump(files: StoreFiles, record: VersionRecord) -> Finding | None:
    if record.manifest is None:
        return None
    path = metadata_path(record.name, record.version)
    problem = _dump_problem(files.read(path), record.manifest)
    if problem is None:
        return None
    data = json_text(record.manifest.document())
    return Finding(files.locate(path), problem, _REPAIR, harmless=True, repair=(path, data))


def _dump_problem(data: bytes | None, manifest: Manifest) -> str | None:
    if data is None:
        return "It is missing; tools that read it instead of the manifest find nothing."
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return "It is damaged; tools that read it instead of the manifest fail."
    expected = json.loads(json_text(manifest.document()))
    if not isinstance(found, dict) or any(found.get(key) != expected[key] for key in _CORE):
        return "It tells of something else than the manifest beside it."
    return None
