from __future__ import annotations

import functools
import logging
import sys
import threading
from types import ModuleType

import pytest

from nemo_runspec.patching import Patch, PatchError, Support, after, first_present

logger = logging.getLogger("nemo_runspec.tests.patching")


class Saver:
    def __init__(self) -> None:
        self.saved: list[int] = []

    def save(self, step: int) -> str:
        self.saved.append(step)
        return f"step {step}"

    def fail(self, step: int) -> str:
        raise OSError(f"disk full at {step}")


class Inherited(Saver):
    pass


@pytest.fixture
def framework(monkeypatch):
    module = ModuleType("a_framework")
    module.Saver = type("Saver", (Saver,), dict(vars(Saver)))
    module.Inherited = type("Inherited", (Saver,), {})
    module.save = lambda step: step
    monkeypatch.setitem(sys.modules, "a_framework", module)
    return module


def hooked(calls, target="a_framework:Saver.save", **rest):
    return Patch("record", target, after(lambda *args: calls.append(args[1:]), logger), **rest)


def test_the_hook_runs_after_the_original_with_its_arguments(framework):
    calls: list[tuple[int, ...]] = []
    hooked(calls).apply()
    saver = framework.Saver()
    assert saver.save(3) == "step 3"
    assert saver.saved == [3]
    assert calls == [(3,)]


def test_applying_again_returns_the_patch_in_place(framework):
    calls: list[tuple[int, ...]] = []
    first = hooked(calls).apply()
    assert first.apply() is first
    assert hooked(calls).apply() is first
    framework.Saver().save(1)
    assert calls == [(1,)]


def test_applying_again_is_noticed_under_a_wrapper_of_another_party(framework):
    calls: list[tuple[int, ...]] = []
    first = hooked(calls).apply()
    patched = framework.Saver.save

    @functools.wraps(patched)
    def traced(*args):
        return patched(*args)

    framework.Saver.save = traced
    assert hooked(calls).apply() is first


def test_two_patches_of_different_names_share_a_target(framework):
    calls: list[object] = []
    hooked(calls).apply()
    Patch("count", "a_framework:Saver.save", after(lambda *_: calls.append("n"), logger)).apply()
    framework.Saver().save(1)
    assert calls == [(1,), "n"]


def test_undoing_restores_the_very_object_that_was_found(framework):
    original = vars(framework.Saver)["save"]
    patch = hooked([]).apply()
    assert patch.applied
    assert vars(framework.Saver)["save"] is not original
    patch.undo()
    patch.undo()
    assert vars(framework.Saver)["save"] is original
    assert not patch.applied
    assert patch.apply().applied


def test_undoing_an_inherited_method_leaves_the_subclass_bare(framework):
    patch = hooked([], "a_framework:Inherited.save").apply()
    assert "save" in vars(framework.Inherited)
    patch.undo()
    assert "save" not in vars(framework.Inherited)


def test_undoing_leaves_a_later_replacement_alone(framework, caplog):
    patch = hooked([]).apply()
    later = framework.Saver.save = lambda _self, step: step
    patch.undo()
    assert framework.Saver.save is later
    assert patch.applied
    assert "was replaced again" in caplog.text


def test_an_unsupported_version_is_left_alone_and_the_log_says_why(framework, caplog):
    original = framework.Saver.save
    caplog.set_level(logging.INFO, "nemo_runspec.patching")
    reason = Support(supported=False, reason="version 2 does this itself")
    assert not hooked([], check=lambda: reason).apply().applied
    assert framework.Saver.save is original
    assert "version 2 does this itself" in caplog.text


def test_a_failing_hook_is_logged_and_the_result_still_returned(framework, caplog):
    def hook(_self, step):
        raise ValueError(f"no store for {step}")

    Patch("record", "a_framework:Saver.save", after(hook, logger)).apply()
    assert framework.Saver().save(7) == "step 7"
    assert "no store for 7" in caplog.text


def test_an_error_of_the_original_passes_through_and_skips_the_hook(framework):
    calls: list[tuple[int, ...]] = []
    hooked(calls, "a_framework:Saver.fail").apply()
    with pytest.raises(OSError, match="disk full at 2"):
        framework.Saver().fail(2)
    assert calls == []


def test_threads_that_apply_at_once_leave_one_patch(framework):
    calls: list[tuple[int, ...]] = []
    barrier = threading.Barrier(8)

    def apply():
        barrier.wait()
        hooked(calls).apply()

    threads = [threading.Thread(target=apply) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    framework.Saver().save(1)
    assert calls == [(1,)]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("a_framework:Saver.gone", "a_framework has no Saver.gone"),
        ("a_framework:Gone.save", "a_framework has no Gone.save"),
        ("no_such_framework:save", "no_such_framework cannot be imported"),
    ],
)
def test_a_missing_target_is_one_clear_error(framework, target, message):
    with pytest.raises(PatchError, match=message):
        hooked([], target).apply()


def test_the_first_target_that_exists_is_taken(framework):
    targets = ["a_framework:Saver.gone", "a_framework:Saver.save", "a_framework:save"]
    assert first_present(targets) == "a_framework:Saver.save"


def test_no_target_at_all_names_them_all(framework):
    with pytest.raises(PatchError, match=r"neither Saver\.gone nor Gone\.save"):
        first_present(["a_framework:Saver.gone", "a_framework:Gone.save"])
