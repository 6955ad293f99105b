"""Values of environment variables that arrive as they are.

NeMo-Run writes ``export NAME=value`` without quotes, with the name in upper case, and Kubernetes
expands ``$(NAME)``. What would not survive is quoted, or travels another way.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from string import Template

# What NeMo-Run replaces in the values of Slurm's variables.
_MACROS = (
    *("head_node_ip_var", "nproc_per_node_var", "num_nodes_var", "node_rank_var"),
    *("het_group_host_var", "ft_launcher_cfg_path_var"),
)
_TORCHX_MACROS = ("img_root", "base_img_root", "app_id", "replica_id", "rank0_env")
_DOLLAR = """'"`printf '\\\\044'`"'"""


def is_plain(name: str, value: str) -> bool:
    """Tell whether an unquoted ``export`` in upper case does not change a variable."""
    return name == name.upper() and shlex.quote(value) == value


def for_bash(value: str) -> str:
    """Quote a value for a bash script that NeMo-Run fills in macros in, once or several times."""
    quoted = shlex.quote(value)
    filled = Template(quoted).safe_substitute(dict.fromkeys(_MACROS, ""))
    if filled == quoted:
        return quoted
    return quoted.replace("$", _DOLLAR)


def for_torchx(value: str) -> str:
    """Spell a value for TorchX, which fills in macros in the variables of local jobs, once."""
    filled = Template(value).safe_substitute(dict.fromkeys(_TORCHX_MACROS, ""))
    return value if filled == value else value.replace("$", "$$")


def for_pods(variables: Mapping[str, str]) -> dict[str, str]:
    """Spell values for a pod's ``env``, where ``$$`` is a dollar sign."""
    return {name: value.replace("$", "$$") for name, value in variables.items()}


def exports(variables: Mapping[str, str]) -> list[str]:
    """Spell variables as lines of a shell script."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
