"""Values survive what NeMo-Run, TorchX, a shell and Kubernetes do to them."""

from __future__ import annotations

import subprocess
from string import Template

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_runspec.execution.nemo_run.builders.exact import (
    exports,
    for_bash,
    for_pods,
    for_torchx,
    is_plain,
)

pytestmark = pytest.mark.exhaustive

SLURM_MACROS = {"head_node_ip_var": "head", "num_nodes_var": "N", "het_group_host_var": "h"}
TORCHX_MACROS = {"img_root": "/img", "app_id": "a", "replica_id": "0"}
PIECES = st.sampled_from(
    [
        *("$", "$$", "${num_nodes_var}", "$head_node_ip_var", "${app_id}", "$(id)", "`id`"),
        *("'", '"', "\\", "\n", " ", ";", "&", "!", "*", "~", "#", "a", "ß", "日", "\t", "\\044"),
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


def in_bash(lines: list[str], name: str) -> str:
    """Run lines of a script; the value that a program then sees."""
    script = "\n".join([*lines, f"printenv -0 {name}"])
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, timeout=60)
    return done.stdout.decode().removesuffix("\0")


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 3))
def test_a_value_survives_a_script_whose_macros_are_filled_in(value: str, times: int) -> None:
    written = for_bash(value)
    for _ in range(times):
        written = Template(written).safe_substitute(SLURM_MACROS)
    assert in_bash([f"export A={written}"], "A") == value


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_value_survives_a_line_of_its_own(value: str) -> None:
    assert in_bash(exports({"lower_case": value}), "lower_case") == value


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_a_plain_value_needs_no_quotes(value: str) -> None:
    if is_plain("A", value):
        assert in_bash([f"export A={value}"], "A") == value


@given(TEXTS)
def test_a_value_survives_torchx(value: str) -> None:
    assert Template(for_torchx(value)).safe_substitute(TORCHX_MACROS) == value


@given(TEXTS)
def test_a_value_survives_a_pod(value: str) -> None:
    written = for_pods({"A": value})["A"]
    assert "$(" not in written.replace("$$", "")
    assert written.replace("$$", "$") == value
