"""Stands in for NeMo-RL's module of this name, which is on no package index.

It finishes checkpoints as the framework does: renamed at once, or by a background thread that
surfaces an error only when somebody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path


class CheckpointManager:
    def __init__(self, checkpoint_dir: Path) -> None:
        self.checkpoint_dir = checkpoint_dir
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def init_tmp_checkpoint(self, step: int) -> Path:
        path = self.checkpoint_dir / f"tmp_step_{step}"
        (path / "policy" / "weights").mkdir(parents=True)
        (path / "training_info.json").write_text(f'{{"step": {step}}}', "utf-8")
        return path

    def _rename_checkpoint(self, checkpoint_path: Path) -> None:
        checkpoint_path.rename(checkpoint_path.with_name(checkpoint_path.name[len("tmp_") :]))

    def finalize_checkpoint(self, checkpoint_path: Path) -> None:
        self._rename_checkpoint(checkpoint_path)

    def begin_finalization(
        self, checkpoint_path: Path, wait_fn: Callable[[], None] | None = None
    ) -> None:
        self.finalize_pending()

        def finalize() -> None:
            try:
                if wait_fn is not None:
                    wait_fn()
                self._rename_checkpoint(checkpoint_path)
            except OSError as error:
                self._error = error

        self._thread = threading.Thread(target=finalize, daemon=True)
        self._thread.start()

    def finalize_pending(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise RuntimeError("Background checkpoint finalization failed") from error


class EarlierCheckpointManager:
    """As up to 0.7: one method that renames, and no other way."""

    init_tmp_checkpoint = CheckpointManager.init_tmp_checkpoint

    def __init__(self, checkpoint_dir: Path) -> None:
        self.checkpoint_dir = checkpoint_dir

    def finalize_checkpoint(self, checkpoint_path: Path) -> None:
        checkpoint_path.rename(checkpoint_path.with_name(checkpoint_path.name[len("tmp_") :]))
