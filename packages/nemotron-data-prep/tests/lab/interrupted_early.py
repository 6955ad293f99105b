"""Print what a worker answers that Ctrl-C hits while it is starting."""

from __future__ import annotations

import os
import signal
from typing import Any

from nemotron_data_prep.engines.local import ProcessEngine
from nemotron_data_prep.engines.work import Attempt
from nemotron_data_prep.plan import Shard

if __name__ == "__mp_main__":
    os.kill(os.getpid(), signal.SIGINT)


def answer(_attempt: object) -> dict[str, Any]:
    return {"interrupts": signal.getsignal(signal.SIGINT).name}  # type: ignore[union-attr]


def main() -> None:
    engine = ProcessEngine(1)
    engine.start(None)
    engine.load(answer)
    engine.submit(Attempt(Shard(0, 0, (), 0)))
    print(engine.next_outcome())  # noqa: T201
    engine.close()


if __name__ == "__main__":
    main()
