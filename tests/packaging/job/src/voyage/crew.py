"""What the job can do, by the name of its first argument."""

from __future__ import annotations

import inspect
import os
import pickle
import pkgutil
import signal
import sys
import warnings
from importlib import resources
from pathlib import Path

import voyage
from voyage import cargo, workers
from voyage.cargo import Crate, load


def everything(_rest, weigh) -> dict[str, object]:
    """Look at all that an importer must do."""
    chart = resources.files("voyage.charts").joinpath("sea.bin").read_bytes()
    return {
        "source": inspect.getsource(cargo.load).splitlines()[0],
        "script": inspect.getsource(weigh).splitlines()[0],
        "modules": [item.name for item in pkgutil.iter_modules(voyage.__path__)],
        "chart": (len(chart), pkgutil.get_data("voyage.charts", "sea.bin") == chart),
        "arguments": sys.argv[1:],
        "setting": workers.setting(),
        "docstring": cargo.__doc__,
        "asserted": asserted(),
        "loaded": repr(load(Crate(2))),
        "word": weigh(Crate(2)),
    }


def asserted() -> bool:
    try:
        assert not voyage
    except AssertionError:
        return True
    return False


def processes(methods, weigh) -> dict[str, object]:
    """Work in processes that are started as the arguments say."""
    return {method: workers.work(method, weigh) for method in methods}


def send(rest, weigh) -> str:
    """Leave objects for another process that runs the same job."""
    crate = Crate(3, cargo.Colour.BLUE)
    things = [crate, cargo.Colour.RED, cargo.LostError, load, weigh, workers.work]
    Path(rest[0]).write_bytes(pickle.dumps(things))
    return "sent"


def receive(rest, weigh) -> list[object]:
    """Take what another process left, and use it."""
    crate, colour, error, loading, weighing, working = pickle.loads(Path(rest[0]).read_bytes())
    same = [colour is cargo.Colour.RED, error is cargo.LostError, weighing is weigh]
    return [repr(loading(crate)), *same, working is workers.work]


def warn(_rest, _weigh) -> str:
    """Warn: of the line of the caller."""
    warnings.warn("high waves", stacklevel=1)
    return "warned"


def fail(_rest, _weigh) -> None:
    """Fail in a module that is called by another."""
    try:
        load(Crate(-1))
    except cargo.LostError as error:
        raise RuntimeError("no voyage") from error


def stop(_rest, _weigh) -> object:
    """Stop in the debugger."""
    crate = Crate(4)
    breakpoint()
    return load(crate).weight


def interrupt(_rest, _weigh) -> None:
    """Be interrupted, as by Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
