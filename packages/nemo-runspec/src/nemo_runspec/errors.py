"""The one exception tree of the project: every error says what, where, and what to do.

Library code raises these and never exits; the command line turns them into one screen and
an exit code.
"""

from __future__ import annotations

from errno import ENOENT, EROFS
from typing import Any, ClassVar

from nemo_runspec.url_secrets import without_credentials


class NemotronError(Exception):
    """Base of every error that this project raises on purpose.

    Passwords and signatures in URLs are left out of all three.

    Args:
        what: One sentence that says what went wrong.
        where: The file, line, key or URL it went wrong at.
        hint: What the reader can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = without_credentials(what)
        self.where = None if where is None else without_credentials(where)
        self.hint = None if hint is None else without_credentials(hint)
        super().__init__(self.what)

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.hint is None else f"{text} {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.hint))


def _rebuild(
    kind: type[NemotronError], what: str, where: str | None, hint: str | None
) -> NemotronError:
    return kind(what, where=where, hint=hint)


class UsageError(NemotronError):
    """The request itself is wrong; nothing was started."""

    exit_code: ClassVar[int] = 2


class RunspecError(UsageError):
    """A recipe's metadata block is missing or malformed."""


class ConfigError(UsageError):
    """A configuration file, override or interpolation cannot be used."""


class ProfileError(ConfigError):
    """An env.toml profile is missing or malformed."""


class InvalidReferenceError(UsageError):
    """A text is no artifact name or reference."""


class ArtifactError(NemotronError):
    """An artifact cannot be read, recorded or resolved."""


class ArtifactNotFoundError(ArtifactError):
    """No artifact, version, alias or field of that name exists."""


class ArtifactFileNotFoundError(ArtifactNotFoundError, FileNotFoundError):
    """An ``art://`` path leads nowhere; libraries see that the file is not there."""

    errno = ENOENT


class ReadOnlyArtifactError(ArtifactError, PermissionError):
    """Something was to be written through an ``art://`` path."""

    errno = EROFS


class ManifestFormatError(ArtifactError):
    """A manifest cannot be understood: damaged, or written by a newer release."""


class StoreError(ArtifactError):
    """The storage that holds manifests refused an operation."""


class UnknownOutcomeError(StoreError):
    """The reply to a write was lost: the storage may have made it or not."""


class ArtifactWithdrawnError(ArtifactError):
    """The version exists and must not be used any more."""


class CoordinationError(NemotronError):
    """A rank failed, or did not answer, while artifacts were resolved for a distributed job."""


class DataError(NemotronError):
    """Input data cannot be prepared."""


class OutOfReachError(DataError):
    """Input data lies on a storage that cannot be reached now; nothing is known to be wrong."""


class ExecutionError(NemotronError):
    """A recipe could not be started, or ended badly."""


class PackagingError(UsageError):
    """A recipe cannot be packaged as it is."""


class TransferError(NemotronError):
    """Code could not be sent to another machine."""


class MissingDependencyError(NemotronError, ImportError):
    """An optional package is not installed."""
