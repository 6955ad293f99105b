"""Ask W&B for the version that a reference names."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.client_errors import first_line
from nemotron_kit_wandb.destination import Destination

if TYPE_CHECKING:
    from wandb import Api, Artifact
    from wandb.apis.public import ArtifactCollection

_LISTED = 20


def look_up(
    ask: Callable[[str], Artifact],
    api: Callable[[], Api],
    reference: ArtifactReference,
    destination: Destination,
) -> Artifact:
    """Find a version.

    Args:
        ask: Finds it by its full name, as one of the client's ways to do so.
        api: Makes the client's reading side, to list what there is where it is not found.
        reference: What is wanted.
        destination: Where bare names are looked up.

    Raises:
        ArtifactNotFoundError: There is no such project, name, version or alias; the message lists
            what there is.
        WandbUnreachableError: The server does not answer.
        ArtifactError: It refuses.
    """
    import wandb
    from wandb.errors import AuthenticationError

    name = destination.full_name(reference)
    try:
        return ask(name)
    except AuthenticationError as error:
        raise ArtifactError(
            f"W&B lets nobody in to look up {name} ({first_line(error)}).",
            hint="Run `wandb login`, or set WANDB_API_KEY.",
        ) from error
    except (wandb.Error, ValueError) as error:
        # The wording around these two words is another in each version of the client.
        if "not found" in str(error):
            raise _missing(api(), reference, destination) from error
        raise ArtifactError(
            f"W&B does not give {name} ({first_line(error)}).",
            hint="Check `wandb login`, and that you may read that project.",
        ) from error
    except OSError as error:
        raise WandbUnreachableError(
            f"W&B cannot be asked for {name} ({first_line(error)}).",
            hint="Check that its server can be reached from here, then try again.",
        ) from error


def _missing(
    api: Api, reference: ArtifactReference, destination: Destination
) -> ArtifactNotFoundError:
    owner = _owner(api, reference, destination)
    try:
        collections = {
            found.name: found for kind in api.artifact_types(owner) for found in kind.collections()
        }
    except _client_errors():
        return _unknown_project(api, owner, reference)
    collection = collections.get(reference.name)
    if collection is None:
        return _unknown_name(owner, reference.name, sorted(collections))
    return _unknown_version(owner, reference, collection)


def _owner(api: Api, reference: ArtifactReference, destination: Destination) -> str:
    if reference.owner is not None:
        return reference.owner
    return f"{destination.entity or api.default_entity}/{destination.project}"


def _unknown_project(api: Api, owner: str, reference: ArtifactReference) -> ArtifactNotFoundError:
    entity, _, project = owner.partition("/")
    try:
        projects = sorted(found.name for found in api.projects(entity))
    except _client_errors():
        projects = []
    hint = _near(project, projects) or f"Check the entity {entity!r}, and that you may read it."
    return ArtifactNotFoundError(
        f"There is no W&B project {owner!r} to find {reference.name!r} in.", where=owner, hint=hint
    )


def _unknown_name(owner: str, name: str, names: list[str]) -> ArtifactNotFoundError:
    hint = _near(name, names) or "It holds no artifacts yet; are project and entity those you mean?"
    return ArtifactNotFoundError(f"No artifact is named {name!r}.", where=owner, hint=hint)


def _unknown_version(
    owner: str, reference: ArtifactReference, collection: ArtifactCollection
) -> ArtifactNotFoundError:
    versions = [found.version for found in collection.artifacts(per_page=_LISTED)]
    listed = ", ".join(versions[:_LISTED]) + (", …" if len(versions) > _LISTED else "")
    aliases = sorted(alias for alias in collection.aliases if alias)
    what = "version" if reference.version is not None else "alias"
    return ArtifactNotFoundError(
        f"{reference.name!r} has no {what} {reference.selector!r}.",
        where=owner,
        hint=f"Its versions: {listed or 'none'}. Its aliases: {', '.join(aliases) or 'none'}.",
    )


def _near(wanted: str, known: list[str]) -> str | None:
    close = difflib.get_close_matches(wanted, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(known[:_LISTED])}." if known else None


def _client_errors() -> tuple[type[Exception], ...]:
    import wandb

    return (wandb.Error, ValueError, OSError)
