"""Which versions nobody needs any more, and taking them out of use.

A version is kept where an alias means it, where it is among the last of its name, and where a
kept version was made from it. All others are candidates. They are withdrawn by a notice beside
the manifest, which stays; numbers are never given out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactError, InvalidReferenceError, StoreError, UsageError
from nemo_runspec.manifest_tracker.deletion import DataPlace, plan_deletion
from nemo_runspec.manifest_tracker.schema import Manifest
from nemo_runspec.manifest_tracker.survey import NameRecord, VersionRecord, survey_store
from nemo_runspec.manifest_tracker.tracker import ManifestTracker

WITHDRAWAL_REASON = "gc: no alias means it, and no version in use needs it"
_S_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class CollectionPlan:
    """What a collection would do.

    Attributes:
        kept: Each version that stays in use, with the reasons.
        candidates: The versions that would be withdrawn.
        unreproducible: Each recorded version that was made, directly or not, from candidates,
            with these; none of them is kept.
        problems: What cannot be read, and so may use a candidate: sentences by reference or name.
        data: Where the data of withdrawn versions lies, those of earlier withdrawals too.
        excluded: Names whose unreadable versions stop nothing.
    """

    kept: dict[str, list[str]] = field(default_factory=dict)
    candidates: list[VersionRecord] = field(default_factory=list)
    unreproducible: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    data: list[DataPlace] = field(default_factory=list)
    excluded: frozenset[str] = frozenset()


def plan_collection(
    tracker: ManifestTracker,
    *,
    keep: int = 1,
    exclude: Collection[str] = (),
    older_than_days: float = 0,
) -> CollectionPlan:
    """Find the versions that nobody needs any more. Nothing is changed.

    Args:
        tracker: The store.
        keep: How many of the last versions of every name stay, those withdrawn not counted.
        exclude: Names whose versions all stay, and whose unreadable ones stop nothing; the data of
            withdrawn ones stays too.
        older_than_days: Versions that were recorded later than so many days ago stay, and so does
            the data of withdrawn ones: a job that runs may use one that nothing recorded was made
            from yet.

    Raises:
        StoreError: The root cannot be listed.
        UsageError: ``keep`` is less than 1, or the store has no such name to exclude.
    """
    if keep < 1:
        raise UsageError("At least the last version of every name is kept.", where=f"keep={keep}")
    names = survey_store(tracker)
    _refuse_unknown(exclude, names)
    used = [record for name in names for record in name.versions if record.withdrawal is None]
    reasons = dict(_reasons(names, keep, exclude))
    for record in _younger(used, older_than_days):
        reasons.setdefault(record.ref, [f"younger than {older_than_days:g} days"])
    kept = _with_inputs(reasons, used)
    candidates = [record for record in used if record.manifest and record.ref not in kept]
    everything = [record for name in names for record in name.versions]
    spared = _spared(everything, exclude, older_than_days)
    return CollectionPlan(
        kept=kept,
        candidates=candidates,
        unreproducible=_made_from(everything, {record.ref for record in candidates}),
        problems=dict(_problems(names, exclude)),
        data=plan_deletion(
            tracker.root, everything, _needed([*kept, *spared], everything), unread=_unread(names)
        ),
        excluded=frozenset(exclude),
    )


def withdraw_candidates(tracker: ManifestTracker, plan: CollectionPlan) -> dict[str, str]:
    """Take the candidates of a plan out of use.

    The store is read once more first. What is recorded after that can still be made from a
    version that is withdrawn here; its data is not deleted then.

    Returns:
        The candidates that had to stay, such as one that was given an alias meanwhile, or from
        which another version was made meanwhile, and why.

    Raises:
        ArtifactError: Something of the store cannot be read, so what it uses is not known.
        StoreError: The storage refused.
    """
    if plan.problems:
        raise _unknown_uses(tracker.root, plan.problems)
    stayed = _used_meanwhile(tracker, plan) if plan.candidates else {}
    for record in reversed(plan.candidates):
        if record.ref in stayed:
            continue
        try:
            tracker.withdraw(record.name, record.version, reason=WITHDRAWAL_REASON)
        except StoreError:
            raise
        except ArtifactError as error:
            stayed[record.ref] = error.what
    return stayed


def data_of_withdrawn(
    tracker: ManifestTracker, *, exclude: Collection[str] = (), older_than_days: float = 0
) -> list[DataPlace]:
    """Where the data of versions lies that are withdrawn by now.

    Args:
        tracker: The store.
        exclude: Names whose data stays, as if no version of theirs were withdrawn.
        older_than_days: The same for versions that were recorded later than so many days ago.

    Raises:
        StoreError: The root cannot be listed.
    """
    names = survey_store(tracker)
    everything = [record for name in names for record in name.versions]
    in_use = [record.ref for record in everything if record.withdrawal is None]
    needed = _needed([*in_use, *_spared(everything, exclude, older_than_days)], everything)
    return plan_deletion(tracker.root, everything, needed, unread=_unread(names))


def _used_meanwhile(tracker: ManifestTracker, plan: CollectionPlan) -> dict[str, str]:
    names = survey_store(tracker)
    problems = dict(_problems(names, plan.excluded))
    if problems:
        raise _unknown_uses(tracker.root, problems)
    candidates = {record.ref for record in plan.candidates}
    used = [record for name in names for record in name.versions if record.withdrawal is None]
    kept = _with_inputs({each.ref: [] for each in used if each.ref not in candidates}, used)
    return {ref: f"It became an {kept[ref][0]} meanwhile." for ref in candidates & kept.keys()}


def _spared(
    records: Sequence[VersionRecord], exclude: Collection[str], days: float
) -> Iterator[str]:
    """The versions whose data stays whether they are withdrawn or not."""
    yield from (record.ref for record in records if record.name in exclude)
    yield from (record.ref for record in _younger(records, days))


def _reasons(
    names: Iterable[NameRecord], keep: int, exclude: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    for name in names:
        in_use = [record for record in name.versions if record.withdrawal is None]
        last = {record.version for record in in_use[-keep:]}
        for record in in_use:
            reasons = [f"alias {a.alias}" for a in name.aliases if a.version == record.version]
            if record is in_use[-1]:
                reasons.append("latest")
            elif record.version in last:
                reasons.append(f"one of the last {keep}")
            if name.name in exclude:
                reasons.append("its name is excluded")
            if reasons:
                yield record.ref, reasons


def _younger(records: Iterable[VersionRecord], days: float) -> Iterator[VersionRecord]:
    now = datetime.now().astimezone()
    for record in records:
        if days and record.manifest and _age_s(record.manifest, now) < days * _S_PER_DAY:
            yield record


def _age_s(manifest: Manifest, now: datetime) -> float:
    created = manifest.created_at
    # Converting the first or last moments of the calendar to another time zone overflows.
    known = created if created.tzinfo is not None else created.replace(tzinfo=now.tzinfo)
    return (now - known).total_seconds()


def _with_inputs(
    roots: dict[str, list[str]], used: Iterable[VersionRecord]
) -> dict[str, list[str]]:
    recorded = {record.ref: record.manifest for record in used if record.manifest}
    kept = dict(roots)
    ahead = [ref for ref in roots if ref in recorded]
    while ahead:
        ref = ahead.pop()
        for needed in sorted(_uses(recorded[ref]) & recorded.keys()):
            if needed not in kept:
                kept[needed] = [f"input of {ref}"]
                ahead.append(needed)
    return kept


def _needed(kept: Iterable[str], everything: Iterable[VersionRecord]) -> Collection[str]:
    """The kept versions and all they were made from, what was withdrawn of that too."""
    return _with_inputs({ref: [] for ref in kept}, everything)


def _uses(manifest: Manifest) -> set[str]:
    refs = set()
    for text in manifest.used_artifacts:
        try:
            reference = ArtifactReference.parse(text)
        except InvalidReferenceError:
            continue
        if reference.owner is None:
            refs.add(str(reference))
    return refs


def _made_from(records: Iterable[VersionRecord], candidates: set[str]) -> dict[str, list[str]]:
    users: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for used in _uses(record.manifest) if record.manifest else ():
            users[used].add(record.ref)
    affected: dict[str, list[str]] = defaultdict(list)
    for candidate in sorted(candidates):
        for ref in _reachable(candidate, users):
            affected[ref].append(candidate)
    return dict(sorted(affected.items()))


def _reachable(start: str, users: Mapping[str, set[str]]) -> set[str]:
    seen = {start}
    ahead = [start]
    while ahead:
        new = users.get(ahead.pop(), set()) - seen
        seen |= new
        ahead.extend(new)
    return seen - {start}


def _problems(names: Iterable[NameRecord], exclude: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name.name in exclude:
            continue
        if name.problem is not None:
            yield name.name, name.problem
        for record in name.versions:
            if record.problem is not None:
                yield record.ref, record.problem
        for alias in name.aliases:
            if alias.version == 0:
                yield f"{name.name}:{alias.alias}", alias.problem or ""


def _unread(names: Iterable[NameRecord]) -> list[str]:
    unread = [name.name for name in names if name.problem is not None]
    versions = (record for name in names for record in name.versions)
    return unread + [record.ref for record in versions if record.manifest is None]


def _unknown_uses(root: str, problems: Mapping[str, str]) -> ArtifactError:
    where, problem = next(iter(problems.items()))
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return ArtifactError(
        f"Nothing was withdrawn: {where} cannot be read{more}, and may use any version.",
        where=root,
        hint=f"{problem} Repair it, or let what it uses go: --exclude {where.partition(':')[0]}",
    )


def _refuse_unknown(exclude: Collection[str], names: Iterable[NameRecord]) -> None:
    known = {name.name for name in names}
    for unknown in sorted(set(exclude) - known):
        raise UsageError(
            f"No artifact is named {unknown!r}.", hint=f"Known: {', '.join(sorted(known))}."
        )
