"""From a script's header to a validated :class:`Runspec`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, cast

from nemo_runspec.errors import RunspecError
from nemo_runspec.model_formats import MODEL_FORMATS, ModelFormat
from nemo_runspec.naming import NAME_PATTERN
from nemo_runspec.runspec.header import Header, read_header
from nemo_runspec.runspec.model import (
    ArtifactDeclarations,
    ConfigSettings,
    Launch,
    Packager,
    ResourceSettings,
    RunSettings,
    Runspec,
)
from nemo_runspec.runspec.table import Table
from nemo_runspec.toml_text import TomlSyntaxError, parse_toml

_SCHEMAS = ("1",)
_LAUNCHES = ("torchrun", "ray", "direct")
_PACKAGERS = ("self_contained", "code", "none")
_FORMATS = ("omegaconf",)
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(f"{_WORD}(?:/{_WORD})*")
_KEYS = tuple(item.name for item in fields(Runspec) if item.name != "path")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(?:\.\*)?")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


def parse(path: str | Path) -> Runspec:
    """Read and check the ``[tool.runspec]`` block of a recipe script.

    Args:
        path: The script.

    Returns:
        The recipe's description, with paths made absolute.

    Raises:
        RunspecError: The file cannot be read, has no such block, or the block is wrong; the
            message names file, line and key.
    """
    script = Path(path).absolute()
    header = read_header(script)
    spec = None if header is None else parse_header(script, header)
    if spec is None:
        raise RunspecError(
            "The script has no [tool.runspec] block.",
            where=str(script),
            hint="Begin it with '# /// script', '# [tool.runspec]' and '# ///'.",
        )
    return spec


def parse_header(script: Path, header: Header) -> Runspec | None:
    """Check a header that was read before.

    Args:
        script: Absolute path of the script.
        header: Its metadata block.

    Returns:
        The recipe's description; None where the block has no ``[tool.runspec]``.

    Raises:
        RunspecError: The block is wrong.
    """
    try:
        document = parse_toml(header.text)
    except TomlSyntaxError as error:
        raise RunspecError(
            f"The metadata block is no valid TOML: {error.message}.",
            where=f"{script}:{header.first_line + error.line - 1}",
        ) from error
    top = Table(document, (), header.text, str(script), header.first_line)
    tool = top.table("tool")
    if "runspec" not in tool.values:
        return None
    return _build(script, tool.table("runspec"))


def _build(script: Path, table: Table) -> Runspec:
    table.only(_KEYS)
    return Runspec(
        path=script,
        schema=_schema(table),
        name=_name(table),
        image=table.text_value("image"),
        setup=table.text_value("setup"),
        docs=table.text_value("docs"),
        run=_run(table.table("run")),
        config=_config(script, table.table("config")),
        resources=_resources(table.table("resources")),
        env=dict(table.table("env").values),
        artifacts=_artifacts(table.table("artifacts")),
    )


def _schema(table: Table) -> str:
    schema = table.required_text("schema")
    if schema not in _SCHEMAS:
        table.fail(
            "schema",
            f"'tool.runspec.schema' is {schema!r}, but this release reads {_SCHEMAS[-1]!r}.",
            "Upgrade nemo-runspec, or use a schema that it reads.",
        )
    return schema


def _name(table: Table) -> str:
    name = table.required_text("name")
    if not _NAME.fullmatch(name):
        table.fail(
            "name",
            f"'tool.runspec.name' is {name!r}, which is no recipe name.",
            "Join words of letters, digits, '._-' by '/', such as 'nano3/data/prep/sft'.",
        )
    return name


def _run(table: Table) -> RunSettings:
    table.only(("launch", "cmd", "workdir", "packager", "packages", "preview"))
    return RunSettings(
        launch=cast("Launch", table.choice("launch", _LAUNCHES, "direct")),
        cmd=_command(table, "cmd") or "python {script} --config {config}",
        workdir=table.text_value("workdir"),
        packager=cast("Packager", table.choice("packager", _PACKAGERS, "self_contained")),
        preview=_command(table, "preview"),
        packages=_packages(table),
    )


def _packages(table: Table) -> tuple[str, ...]:
    names = table.texts("packages")
    for name in names:
        if not _PACKAGE.fullmatch(name):
            table.fail(
                "packages",
                f"'tool.runspec.run.packages' holds {name!r}, which names no package.",
                "Write the name that is imported, or 'name.*' for every module of it.",
            )
    return names


def _command(table: Table, key: str) -> str | None:
    command = table.text_value(key)
    for placeholder in _PLACEHOLDER.findall(command or ""):
        if placeholder not in ("script", "config"):
            table.fail(
                key,
                f"'tool.runspec.run.{key}' has the unknown placeholder '{{{placeholder}}}'.",
                "Only {script} and {config} are filled in.",
            )
    return command


def _config(script: Path, table: Table) -> ConfigSettings:
    table.only(("dir", "default", "format"))
    return ConfigSettings(
        dir=script.parent / (table.text_value("dir") or "config"),
        default=table.text_value("default") or "default",
        format=table.choice("format", _FORMATS, "omegaconf"),
    )


def _resources(table: Table) -> ResourceSettings:
    table.only(("nodes", "gpus_per_node"))
    return ResourceSettings(
        nodes=table.integer("nodes", minimum=1, default=1),
        gpus_per_node=table.integer("gpus_per_node", minimum=0, default=0),
    )


def _artifacts(table: Table) -> ArtifactDeclarations:
    table.only(("reads", "writes"))
    reads = table.table("reads")
    read = {key: _declared(reads, key, ()) for key in reads.values}
    given = "writes" in table.values
    written = _declared(table, "writes", tuple(read)) if given else _Declared(None)
    return ArtifactDeclarations(
        reads={key: each.type for key, each in read.items() if each.type is not None},
        writes=written.type,
        read_formats={key: each.format for key, each in read.items() if each.format is not None},
        written_format=written.format,
        written_name=written.name,
    )


class _Declared(NamedTuple):
    type: str | None
    format: ModelFormat | None = None
    name: str | None = None


def _declared(table: Table, key: str, read: Sequence[str]) -> _Declared:
    """Read ``"TYPE"`` or ``{ type = "TYPE", format = "FORMAT" }``."""
    if not isinstance(table.values[key], dict):
        return _Declared(table.required_text(key))
    given = table.table(key)
    given.only(("type", "format", "name") if read else ("type", "format"))
    declared = given.required_text("type")
    chosen = given.choice("format", MODEL_FORMATS, "") or None
    return _Declared(declared, cast("ModelFormat | None", chosen), _name_pattern(given, read))


def _name_pattern(table: Table, read: Sequence[str]) -> str | None:
    pattern = table.text_value("name")
    found = None if pattern is None else NAME_PATTERN.fullmatch(pattern)
    if pattern is not None and (found is None or found["key"] not in read):
        table.fail(
            "name",
            f"'tool.runspec.artifacts.writes.name' is {pattern!r}, which names no artifact after "
            "what is read.",
            f"Write one key of artifacts.reads in braces, such as '{{{read[0]}}}-hf'.",
        )
    return pattern
