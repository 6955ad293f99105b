"""One file to the cluster: a recipe and every module of ours that it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.backends import find_backends
from nemo_runspec.packaging.closure import Closure, find_closure
from nemo_runspec.packaging.code.secret_files import KEPT_OUT, holds, refuse_secrets
from nemo_runspec.packaging.config_files import ConfigFiles, gather
from nemo_runspec.packaging.data import find_data
from nemo_runspec.packaging.origin import Origin, find_origin
from nemo_runspec.packaging.places import Places
from nemo_runspec.packaging.rendering import Parts, render
from nemo_runspec.packaging.requirements import find_needs
from nemo_runspec.packaging.scan import read_source
from nemo_runspec.packaging.writing import write_folder
from nemo_runspec.redaction import known_secrets
from nemo_runspec.runspec import Runspec, parse
from nemo_runspec.runspec.header import read_header
from nemo_runspec.toml_text import TomlSyntaxError, parse_toml

MAIN = "main.py"
CONFIG = "config.yaml"
_ANY_PYTHON = ">=3.11"


@dataclass(frozen=True, slots=True)
class PackagedJob:
    """A recipe that can be taken anywhere.

    Attributes:
        main: The file that runs; ``python main.py --config config.yaml key=value``.
        config: The configuration beside it; None where none was given.
        files: The other files beside it, which the configuration names.
    """

    main: Path
    config: Path | None
    files: tuple[Path, ...]


class SelfContainedPackager:
    """Packages recipes as one file that needs nothing of ours to be installed.

    Args:
        packages: Top-level packages that travel with the recipe beside those of its workspace and
            our own; ``name.*`` takes every module of it, where code looks for them at run time.
    """

    def __init__(self, packages: Sequence[str] = ()) -> None:
        self.packages = tuple(packages)

    def package(
        self, script: Path, output: Path, *, config: Path | DictConfig | None = None
    ) -> PackagedJob:
        """Package a recipe.

        Args:
            script: The recipe.
            output: The folder that ``main.py`` is written to; created where missing.
            config: Its configuration: a file, or what was composed already.

        Raises:
            PackagingError: The recipe or its configuration cannot be packaged, or the folder
                holds something that was not packaged there.
            ConfigError: The configuration cannot be read.
        """
        places = Places(script.absolute(), self._packages(script))
        gathered = _gathered(config, places)
        main = self._main(places, None if gathered is None else gathered.config)
        contents: dict[str, bytes | Path] = {MAIN: main.encode()}
        if gathered is not None:
            contents[CONFIG] = OmegaConf.to_yaml(OmegaConf.create(gathered.config)).encode()
            contents.update(gathered.files)
        written = write_folder(output, contents)
        return PackagedJob(
            main=written[MAIN],
            config=written.get(CONFIG),
            files=tuple(path for name, path in written.items() if name not in {MAIN, CONFIG}),
        )

    def _packages(self, script: Path) -> tuple[str, ...]:
        spec = _runspec(script)
        declared = () if spec is None else spec.run.packages
        return tuple(dict.fromkeys((*self.packages, *declared)))

    def _main(self, places: Places, config: dict[Any, Any] | None) -> str:
        backends = find_backends(config, places)
        closure = find_closure(
            places,
            packages=self._packages(places.script),
            extra=[backend.module for backend in backends],
        )
        spec = _runspec(places.script)
        header = _header(places.script)
        needs = find_needs(
            closure,
            header.get("dependencies", []),
            image=None if spec is None else spec.image,
            backends=[backend.distribution for backend in backends],
        )
        data = find_data(closure)
        sources = [module.path for module in closure.modules.values() if not module.is_namespace]
        files = _files(places, closure, data)
        _refuse_known_secrets(files, places.workspace)
        origin = find_origin(places.workspace, [places.script, *sources, *data])
        return render(
            Parts(
                recipe=places.pseudo_path(places.script, places.folder),
                title=_title(places.script, spec),
                requires_python=header.get("requires-python", _ANY_PYTHON),
                origin=origin,
                needs=needs,
                provenance=_provenance(spec, origin),
                modules=_modules(places, closure),
                files=files,
            )
        )


def package_script(
    script: str | Path,
    output: str | Path,
    *,
    config: str | Path | None = None,
    packages: Sequence[str] = (),
) -> PackagedJob:
    """Package a script as one ``main.py`` that needs nothing of ours to be installed.

    Args:
        script: The script; it need not be a recipe with a header.
        output: The folder that ``main.py`` is written to; created where missing.
        config: Its configuration, which becomes ``config.yaml`` beside it, with the files that it
            names.
        packages: Top-level packages that travel along beside those of the script's folder, its
            workspace and our own; ``name.*`` takes every module of one.

    Raises:
        PackagingError: An import leads nowhere, a module cannot be packaged, the configuration
            names a missing file, or the folder holds something that was not packaged there.
        ConfigError: The configuration cannot be read.
    """
    packager = SelfContainedPackager(packages)
    chosen = None if config is None else Path(config)
    return packager.package(Path(script), Path(output), config=chosen)


def _gathered(config: Path | DictConfig | None, places: Places) -> ConfigFiles | None:
    if config is None:
        return None
    if isinstance(config, DictConfig):
        return gather(config, places, None)
    return gather(load_omegaconf_yaml(config), places, config)


def _runspec(script: Path) -> Runspec | None:
    return parse(script) if "runspec" in _header(script).get("tool", {}) else None


def _header(script: Path) -> dict[str, Any]:
    header = read_header(script)
    if header is None:
        return {}
    try:
        return parse_toml(header.text)
    except TomlSyntaxError as error:
        raise PackagingError(
            f"The metadata block is no valid TOML: {error.message}.",
            where=f"{script}:{header.first_line + error.line - 1}",
        ) from error


def _title(script: Path, spec: Runspec | None) -> str:
    if spec is None:
        return f"{script.name}, packaged."
    return f"{spec.name}: {spec.docs}" if spec.docs else f"{spec.name}, packaged."


def _provenance(spec: Runspec | None, origin: Origin) -> dict[str, Any]:
    about = {} if spec is None else {"runspec": spec.name, "image": spec.image}
    return {**about, "git_commit": origin.commit, "git_dirty": origin.dirty}


def _modules(places: Places, closure: Closure) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, module in closure.modules.items():
        path = places.pseudo_path(module.path, module.root)
        found[name] = f"{path}/" if module.is_namespace else path
    return found


def _files(places: Places, closure: Closure, data: dict[Path, Path]) -> dict[str, str | bytes]:
    script = places.pseudo_path(places.script, places.folder)
    found: dict[str, str | bytes] = {script: read_source(places.script)}
    for module in closure.modules.values():
        if not module.is_namespace:
            found[places.pseudo_path(module.path, module.root)] = read_source(module.path)
    for path, root in data.items():
        found[places.pseudo_path(path, root)] = _text_or_bytes(path.read_bytes())
    return found


def _refuse_known_secrets(files: Mapping[str, str | bytes], workspace: Path) -> None:
    """What this machine's environment keeps secret stands in no file that is sent."""
    known = known_secrets()
    telling = [path for path, content in files.items() if holds(content, known)]
    refuse_secrets(telling, workspace, KEPT_OUT)


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return content if "\0" in text or "\r" in text else text
