"""The env.toml that the commands speak of."""

from __future__ import annotations

from nemo_runspec.env_toml import FILE_VARIABLE, EnvToml, find_env_toml, load_env_toml
from nemo_runspec.errors import ProfileError
from nemotron.cli.app import App


def env_toml_of(app: App) -> EnvToml:
    """Read it.

    Raises:
        ProfileError: There is none, or it cannot be used.
    """
    file = find_env_toml(app.cwd)
    if file is None:
        raise ProfileError(
            "There is no env.toml, so there are no profiles.",
            hint=f"Create env.toml here or above with a table for each, or set {FILE_VARIABLE}.",
        )
    return load_env_toml(file)


def parents_of(env: EnvToml, name: str) -> list[str]:
    """Name what a profile extends itself."""
    extends = env.profiles[name].get("extends", [])
    return [extends] if isinstance(extends, str) else [str(item) for item in extends]


def is_for_others(env: EnvToml, name: str) -> bool:
    """Tell whether a profile only lends its keys: it has no executor, and others extend it."""
    extended = any(name in parents_of(env, other) for other in env.profiles)
    return extended and not any("executor" in env.profiles[item] for item in env.lineage(name))
