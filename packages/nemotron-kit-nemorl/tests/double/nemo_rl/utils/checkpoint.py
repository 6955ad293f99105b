"""Stands in for NeMo-RL's module of this name, which is on no package index.

Its names, parameters and order of calls are those of the contract snapshot. It finishes checkpoints
as the framework does: renamed at once, or by a background thread that surfaces an error only when
somebody waits for it; and it deletes those that are outside of the best.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any


class CheckpointManager:
    """As the newest source has it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.checkpoint_dir = Path(config["checkpoint_dir"])
        self.metric_name = config.get("metric_name")
        self.keep_top_k = config.get("keep_top_k")
        self._finalize_thread: threading.Thread | None = None
        self._finalize_error: Exception | None = None
        self._delete_executor = ThreadPoolExecutor(max_workers=1)
        self._deletions: list[Future[None]] = []

    def init_tmp_checkpoint(
        self, step: int, training_info: Mapping[str, Any], run_config: Any = None
    ) -> Path:
        path = self.checkpoint_dir / f"tmp_step_{step}"
        (path / "policy" / "weights").mkdir(parents=True)
        (path / "training_info.json").write_text(json.dumps(dict(training_info)), "utf-8")
        if run_config is not None:
            (path / "config.yaml").write_text(str(run_config), "utf-8")
        return path

    def _rename_checkpoint(self, checkpoint_path: os.PathLike[str]) -> None:
        move(Path(checkpoint_path))

    def finalize_checkpoint(self, checkpoint_path: os.PathLike[str]) -> None:
        self._rename_checkpoint(checkpoint_path)
        self.remove_old_checkpoints()

    def begin_finalization(
        self, checkpoint_path: os.PathLike[str], wait_fn: Callable[[], None] | None = None
    ) -> None:
        self.finalize_pending()

        def finalize() -> None:
            try:
                if wait_fn is not None:
                    wait_fn()
                self._rename_checkpoint(checkpoint_path)
                self._deletions.append(self._delete_executor.submit(self.remove_old_checkpoints))
            except Exception as error:  # noqa: BLE001 - as the framework does
                self._finalize_error = error

        self._finalize_thread = threading.Thread(target=finalize, daemon=True)
        self._finalize_thread.start()

    def finalize_pending(self) -> None:
        if self._finalize_thread is not None:
            self._finalize_thread.join()
            self._finalize_thread = None
        if self._finalize_error is not None:
            error, self._finalize_error = self._finalize_error, None
            raise RuntimeError("Background checkpoint finalization failed") from error

    def shutdown(self) -> None:
        self.finalize_pending()
        self._delete_executor.shutdown(wait=True)
        self._delete_executor = ThreadPoolExecutor(max_workers=1)

    def remove_old_checkpoints(self, exclude_latest: bool = True) -> None:  # noqa: FBT001, FBT002
        if self.keep_top_k is None:
            return
        history = [(step_of(path), path) for path in self.checkpoint_dir.glob("step_*")]
        latest = max(step for step, _ in history)
        best = sorted(history, key=self._rank, reverse=True)[: self.keep_top_k]
        for step, path in history:
            if (step, path) not in best and not (exclude_latest and step == latest):
                shutil.rmtree(path)

    def _rank(self, entry: tuple[int, Path]) -> tuple[float, int]:
        step, path = entry
        info = json.loads((path / "training_info.json").read_text("utf-8"))
        return (info.get(self.metric_name, float("-inf")), step)


class EarlierCheckpointManager:
    """As up to 0.7: one method that renames, and then deletes."""

    init_tmp_checkpoint = CheckpointManager.init_tmp_checkpoint
    remove_old_checkpoints = CheckpointManager.remove_old_checkpoints
    _rank = CheckpointManager._rank

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.checkpoint_dir = Path(config["checkpoint_dir"])
        self.metric_name = config.get("metric_name")
        self.keep_top_k = config.get("keep_top_k")

    def finalize_checkpoint(self, checkpoint_path: os.PathLike[str]) -> None:
        move(Path(checkpoint_path))
        self.remove_old_checkpoints()

    def shutdown(self) -> None:
        """Nothing runs in the background; here so that tests can treat both alike."""


def step_of(path: Path) -> int:
    return int(path.name.rpartition("_")[2])


def move(working: Path) -> None:
    final = working.with_name(working.name[len("tmp_") :])
    if not final.exists():
        working.rename(final)
        return
    old = final.with_name(f"old_{final.name}")
    final.rename(old)
    working.rename(final)
    shutil.rmtree(old)
