"""In what the making of two artifacts differs, the histories of their inputs apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nemo_runspec.lineage.configs import ChangedKey, changed_fields, changed_keys, flat
from nemo_runspec.lineage.differences import Difference
from nemo_runspec.lineage.pairing import artifact_name
from nemo_runspec.lineage.records import unique
from nemo_runspec.lineage.sides import Sides

Pair = tuple[str, str]


def own_differences(sides: Sides, *, explained: Callable[[Pair], bool]) -> list[Difference]:
    """Compare how two artifacts were made.

    Args:
        sides: The two; notes are added.
        explained: Whether the histories of two inputs say why they differ.

    Returns:
        What differs; at most one difference is about the tokenizer.
    """
    found = [*_artifacts(sides, explained), *_raw_inputs(sides)]
    if any(sides.imported):
        found += [*_origin(sides), *_tokenizer(sides, [])]
    else:
        changed = list(_changed_keys(sides))
        found += [*_recipe(sides), *_code(sides), *_software(sides), *_image(sides)]
        found += [*_tokenizer(sides, changed), *_config(sides, changed)]
        found += [] if found else _content(sides)
    tokenizers = [item for item in found if item.category == "tokenizer"]
    return [item for item in found if item not in tokenizers[:-1]]


def _artifacts(sides: Sides, explained: Callable[[Pair], bool]) -> Iterator[Difference]:
    for pair in sides.artifacts.both:
        if pair[0] != pair[1] and not explained(pair):
            yield sides.difference("data", artifact_name(pair[0]), pair, sides.problem_of(pair))
    for ref in sides.artifacts.left:
        yield sides.difference("data", "input", (ref, None))
    for ref in sides.artifacts.right:
        yield sides.difference("data", "input", (None, ref))


def _raw_inputs(sides: Sides) -> Iterator[Difference]:
    for uris in sides.raw.both:
        yield from _raw_pair(sides, uris)
    for uri in sides.raw.left:
        yield _raw(sides, "input", (uri, None))
    for uri in sides.raw.right:
        yield _raw(sides, "input", (None, uri))


def _raw_pair(sides: Sides, uris: Pair) -> Iterator[Difference]:
    revisions = (sides.revisions[0][uris[0]], sides.revisions[1][uris[1]])
    if uris[0] != uris[1]:
        same = revisions[0] is not None and revisions[0] == revisions[1]
        yield _raw(sides, "uri", uris, "of the same revision" if same else None)
    elif None in revisions:
        sides.notes.append(f"The revision of {uris[0]} is not recorded on both sides.")
    elif revisions[0] != revisions[1]:
        yield _raw(sides, uris[0], revisions)


def _raw(
    sides: Sides, key: str, values: tuple[str | None, str | None], remark: str | None = None
) -> Difference:
    places = _tokenizer_places(sides)
    texts = [text for text in (key, *values) if text]
    about = any(text == place or text.endswith(f"/{place}") for text in texts for place in places)
    return sides.difference("tokenizer" if about else "data", key, values, remark)


def _tokenizer_places(sides: Sides) -> set[str]:
    """What the records call their tokenizers: one of these can be a raw input."""
    records = [*sides.fields, *(config or {} for config in sides.configs)]
    values = [value for record in records for value in flat(record, _is_about_tokenizer).values()]
    return {value for value in values if isinstance(value, str) and value}


def _origin(sides: Sides) -> Iterator[Difference]:
    if all(sides.imported):
        yield from _import(sides)
        return
    made = tuple(recipe or "made" for recipe in sides.recorded("runspec"))
    left, right = (
        f"imported from {source}" if source else recipe
        for source, recipe in zip(sides.imported, made, strict=True)
    )
    yield sides.difference("recipe", "origin", (left, right))


def _content(sides: Sides) -> Iterator[Difference]:
    """Other data of equal making; a model's weights differ whenever it is trained again."""
    same_inputs = all(one == other for one, other in sides.artifacts.both)
    left, right = sides.left.content, sides.right.content
    if not same_inputs or "model" in (sides.left.kind, sides.right.kind):
        return
    if left is None or right is None or None in (left.digest, right.digest):
        return
    if left.digest != right.digest:
        values = (left.digest, right.digest)
        yield sides.difference("data", "content", values, "nothing recorded says why")


def _import(sides: Sides) -> Iterator[Difference]:
    """What was imported starts a chain: only its place and its content tell it apart."""
    if sides.imported[0] != sides.imported[1]:
        yield sides.difference("data", "imported from", sides.imported)
        return
    left, right = sides.left.content, sides.right.content
    if left is None or right is None:
        return
    if left.digest is not None and right.digest is not None:
        values: tuple[object, object] = (left.digest, right.digest)
        key = "content"
    elif left.bytes != right.bytes or None in (left.listing, right.listing):
        values, key = (left.bytes, right.bytes), "size_bytes"
    else:
        values, key = (left.listing, right.listing), "listing"
    if values[0] != values[1]:
        yield sides.difference("data", key, values, f"both imported from {sides.imported[0]}")


def _recipe(sides: Sides) -> Iterator[Difference]:
    recipes = sides.recorded("runspec")
    if None not in recipes and recipes[0] != recipes[1]:
        yield sides.difference("recipe", "runspec", recipes)


def _code(sides: Sides) -> Iterator[Difference]:
    commits, dirty = sides.recorded("git_commit"), sides.recorded("git_dirty")
    if None in commits:
        if commits[0] != commits[1]:
            sides.notes.append(f"No commit is recorded of {sides.at[commits.index(None)]}.")
    elif commits[0] != commits[1]:
        yield sides.difference("code", "git_commit", commits)
    elif None not in dirty and dirty[0] != dirty[1]:
        yield sides.difference("code", "git_dirty", dirty, f"at commit {commits[0]}")
    elif dirty[0]:
        both = " and ".join(sides.at)
        sides.notes.append(f"{both} were made with uncommitted changes, which are not recorded.")


def _software(sides: Sides) -> Iterator[Difference]:
    left, right = sides.recorded("packages")
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return
    for package in sorted({*left, *right}):
        versions = (left.get(package), right.get(package))
        if versions[0] != versions[1]:
            yield sides.difference("software", package, versions)


def _image(sides: Sides) -> Iterator[Difference]:
    images = sides.recorded("image")
    recorded = all("image" in side.provenance for side in sides.both)
    if recorded and images[0] != images[1]:
        yield sides.difference("image", "image", images)


def _changed_keys(sides: Sides) -> Iterator[ChangedKey]:
    """The keys of one recipe's configurations; those of two recipes have nothing in common."""
    configs = sides.configs
    if configs[0] is None or configs[1] is None or list(_recipe(sides)):
        return
    images = sides.recorded("image")
    for item in changed_keys(configs[0], configs[1], sides.spellings):
        if images[0] == images[1] or (item.left, item.right) != images:
            yield item


def _tokenizer(sides: Sides, changed: list[ChangedKey]) -> Iterator[Difference]:
    """All that tells of another tokenizer is one difference."""
    fields = changed_fields(*sides.fields)
    told = [item for item in (*fields, *changed) if _is_about_tokenizer(item.key)]
    if told:
        first = told[0]
        others = unique(item.key for item in told if item.key != first.key)
        remark = f"{', '.join(others)} too" if others else None
        yield sides.difference("tokenizer", first.key, (first.left, first.right), remark)


def _config(sides: Sides, changed: list[ChangedKey]) -> Iterator[Difference]:
    for item in changed:
        if not _is_about_tokenizer(item.key):
            remark = f"only on the {item.only}" if item.only else None
            yield sides.difference("config", item.key, (item.left, item.right), remark)
    if None in sides.configs:
        yield from _digests(sides)


def _digests(sides: Sides) -> Iterator[Difference]:
    """Older records have no configuration, only its digest."""
    digests = sides.recorded("config_digest")
    if None in digests or digests[0] == digests[1] or list(_recipe(sides)):
        return
    if all(one == other for one, other in sides.artifacts.both):
        yield sides.difference("config", "config_digest", digests, "the keys were not recorded")
        return
    both = " and ".join(sides.at)
    sides.notes.append(
        f"The configurations of {both} differ, perhaps only in their references to inputs: "
        "the keys were not recorded."
    )


def _is_about_tokenizer(key: str) -> bool:
    return "tokenizer" in key.lower()
