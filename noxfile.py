"""Every check of the workspace. `uvx nox` runs them all, `uvx nox -l` lists them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True
nox.options.sessions = ["everything"]

ROOT = Path(__file__).parent
PROJECTS = {
    file.parent.name: nox.project.load_toml(file)
    for file in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
MODULES = {name: name.replace("-", "_") for name in PROJECTS}
PYTHONS = nox.project.python_versions(nox.project.load_toml(ROOT / "pyproject.toml"))
OLDEST, MIDDLE, NEWEST = PYTHONS
EACH_PACKAGE = nox.parametrize("package", [nox.param(name, id=name) for name in PROJECTS])
LONG = ("nemo-runspec", "nemotron-data-prep")
CORES = len(os.sched_getaffinity(0))
PYTEST = ("pytest", f"--numprocesses={min(4, CORES)}")
PYTEST_OF_SERVERS = ("pytest", f"--numprocesses={min(4, 2 * CORES)}", "--dist=worksteal")
# These wait for servers, or clusters, of their own more than they compute.
SERVERS = "servers"
# The longest suites once more with other versions: before a release, `uvx nox -t repeats`.
REPEATS = "repeats"
# Not a check.
APART = "apart"
NOT_EXHAUSTIVE = ("-m", "not exhaustive")
# Folders of tests/ whose components only their own sessions bring.
OF_OTHER_SESSIONS = (
    *("docs", "engines", "evaluator", "nemo_run", "readers"),
    *("slurm", "storage", "typing", "wandb"),
)
TORCH = "torch==2.13.0"
MEGATRON_CORE = "megatron-core==0.16.1"
MEGATRON = (MEGATRON_CORE, "megatron-bridge==0.3.1")
NEWER_MEGATRON = ("megatron-core==0.19.2", "megatron-bridge==0.6.2")
EVALUATOR = "nemo-evaluator==0.2.8"
# What NeMo-Run renders requests with, beside what it always has.
ENGINES = ("kubernetes==36.0.3", "skypilot==0.14.1")
DATATROVE = "datatrove[io,processing]==0.10.1"


def show_pyenv_interpreters() -> None:
    """Put pyenv's interpreters before its shims, which answer for one version only."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [folder for python in PYTHONS for folder in root.glob(f"versions/{python}.*/bin")]
    os.environ["PATH"] = os.pathsep.join([*map(str, found), os.environ["PATH"]])


show_pyenv_interpreters()
# Where a shell forbids bytecode, every process that a test starts would compile its modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell lets what it starts in the background ignore Ctrl-C, which tests send to their children.
signal.signal(signal.SIGINT, signal.default_int_handler)


@nox.session(venv_backend="none", tags=[APART])
def everything(session: nox.Session) -> None:
    """Every check but the repeats: those that wait beside those that compute."""
    servers = chosen(SERVERS)
    rest = deque(chosen(f"not {SERVERS} and not {REPEATS} and not {APART}"))
    queues = [in_turn(servers, rest), in_turn([], rest)]
    with ThreadPoolExecutor(len(queues)) as pool:
        failed = [name for names in pool.map(failures, queues) for name in names]
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session(python=NEWEST)
@EACH_PACKAGE
def tests(session: nox.Session, package: str) -> None:
    """Each package alone: its locked dependencies, and no sibling that it does not declare.

    The oldest Python is that of `minimums`, and of the sessions that bring packages together.
    """
    sync(session, "--package", package, "--group", "test")
    refuse_undeclared_siblings(session, package)
    session.run(*PYTEST, f"packages/{package}", *session.posargs)


@nox.session(python=OLDEST)
@nox.parametrize(
    "package",
    [nox.param(name, id=name, tags=[REPEATS] if name in LONG else []) for name in PROJECTS],
)
def minimums(session: nox.Session, package: str) -> None:
    """Each package alone, with the lowest versions that it declares."""
    folders = [f"packages/{name}" for name in (package, *declared_siblings(package))]
    editables = [word for folder in folders for word in ("--editable", folder)]
    session.install("--resolution=lowest-direct", *editables, "--group", "test")
    refuse_undeclared_siblings(session, package)
    session.run(*PYTEST, *NOT_EXHAUSTIVE, f"packages/{package}", *session.posargs)


@nox.session(python=MIDDLE)
def workspace_tests(session: nox.Session) -> None:
    """What the packages do together, and what holds for the repository as a whole."""
    groups = ("test", "adapters", "fast", "readers", "lint")
    sync(session, *(word for group in groups for word in ("--group", group)))
    ignored = [f"--ignore=tests/{folder}" for folder in OF_OTHER_SESSIONS]
    session.run(*PYTEST, "tests", *ignored, *session.posargs)


@nox.session(python=OLDEST)
@nox.parametrize(
    "client",
    [
        nox.param("oldest", id="oldest", tags=[REPEATS]),
        nox.param("newest", id="newest"),
    ],
)
def wandb(session: nox.Session, client: str) -> None:
    """What is built on W&B, against its unmodified client and a server of the tests' own."""
    sync(session, "--group", "test", "--group", "adapters", "--inexact")
    if client == "oldest":
        session.install(lowest("nemotron-kit-wandb", "wandb"))
    session.run(*PYTEST_OF_SERVERS, "tests/wandb", *session.posargs)


@nox.session(python=OLDEST, tags=[SERVERS])
def engines(session: nox.Session) -> None:
    """Data preparation on real Ray clusters beside local processes: killed, resumed, compared."""
    sync(session, "--group", "test", "--group", "engines")
    # One at a time: clusters that start side by side take each other's ports.
    session.run("pytest", "tests/engines", *session.posargs)


@nox.session(python=OLDEST, tags=[REPEATS])
def engines_minimums(session: nox.Session) -> None:
    """The same bytes with the lowest Ray that nemotron-data-prep declares."""
    folders = ("packages/nemo-runspec", "packages/nemotron-data-prep[ray]")
    editables = [word for folder in folders for word in ("--editable", folder)]
    session.install("--resolution=lowest-direct", *editables, "--group", "test")
    session.run("pytest", "tests/engines/test_same_output.py", *session.posargs)


@nox.session(python=OLDEST)
def nemo_run(session: nox.Session) -> None:
    """Packagers beside those of NeMo-Run, on the same checkouts, and inside its experiments."""
    sync(session, "--only-group", "runner", "--inexact")
    session.install(*ENGINES)
    # NeMo-Run's dependencies warn: of what they deprecate among themselves.
    session.run("pytest", "tests/nemo_run", "-W", "default", *session.posargs)


@nox.session(python=OLDEST, tags=[SERVERS])
def slurm(session: nox.Session) -> None:
    """Jobs on a real Slurm of three nodes with accounting: by hand, and by the command."""
    sync(session, "--only-group", "runner")
    # Each process has clusters of its own, but Ray's would take each other's ports.
    settings = ("--dist=loadgroup", "-W", "default")  # NeMo-Run's dependencies warn, as above
    session.run(*PYTEST_OF_SERVERS, "tests/slurm", *settings, *session.posargs)


@nox.session(python=OLDEST, tags=[SERVERS])
def storage(session: nox.Session) -> None:
    """Artifacts on real object stores and a Hub: races, faults, counted requests."""
    sync(session, "--group", "test", "--group", "adapters", "--group", "storage")
    session.run(*PYTEST_OF_SERVERS, "tests/storage", *session.posargs)


@nox.session(python=OLDEST, tags=[REPEATS])
def storage_minimums(session: nox.Session) -> None:
    """The same conformance, and reading of datasets, with the lowest clients that are declared."""
    folders = ("packages/nemo-runspec[s3,gcs,hf]", "packages/nemotron-data-prep[s3,gcs,hf]")
    editables = [word for folder in folders for word in ("--editable", folder)]
    groups = ("--group", "test", "--group", "servers")
    session.install("--resolution=lowest-direct", *editables, *groups)
    kits = ("test_conformance.py", "hub/test_conformance_hub.py")
    datasets = ("test_datasets.py", "hub/test_hub_datasets.py", "hub/test_hub_tokenizer.py")
    files = [f"tests/storage/{name}" for name in (*kits, *datasets)]
    # The pages' commands need the command line and its recipes.
    session.run(*PYTEST, *files, "-k", "not page", *session.posargs)


@nox.session(python="3.11")
def readers(session: nox.Session) -> None:
    """Readers that others wrote open what the packages write; patches meet the real targets."""
    sync(session, "--group", "test", "--group", "adapters", "--inexact")
    with_torch_for_cpu(session)
    session.install("--no-deps", *MEGATRON)
    # The readers' own imports warn: of what torch and Megatron deprecate among themselves.
    session.run("pytest", "tests/readers", "-W", "default", *session.posargs)


@nox.session(python="3.12")
def newer_bridge(session: nox.Session) -> None:
    """Hooks and recipes meet a newer Megatron-Bridge; NeMo Evaluator its double."""
    sync(session, "--group", "test", "--group", "adapters", "--inexact")
    session.install("--no-deps", *NEWER_MEGATRON)
    session.install(EVALUATOR)
    names = ("callbacks", "hook", "recipes")
    bridge = [f"tests/readers/test_megatron_bridge_{name}.py" for name in names]
    session.run("pytest", *bridge, "tests/evaluator", *session.posargs)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Style, format, and the import contract of every arrow between packages."""
    sync(session, "--only-group", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = os.pathsep.join(str(ROOT / "packages" / name / "src") for name in PROJECTS)
    session.run("lint-imports", "--no-logo", "--no-cache", env={"PYTHONPATH": sources})


@nox.session(python=OLDEST)
def typing(session: nox.Session) -> None:
    """The packages, and the imports that users write, under mypy --strict and pyright."""
    groups = ("test", "adapters", "clients", "engines", "typing")
    sync(session, *(f"--group={name}" for name in groups))
    sources = [f"packages/{name}/src" for name in PROJECTS]
    session.run("mypy", "--strict", *sources, "tests/typing")
    session.run("pyright")


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Every code block of the documentation, executed or parsed."""
    sync(session, "--group", "test", "--group", "adapters")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session(venv_backend="none")
def wheels(session: nox.Session) -> None:
    """The built wheels, in an empty environment outside the checkout, do the main job."""
    with tempfile.TemporaryDirectory() as temporary:
        outside = Path(temporary)
        uv(session, "build", "--all-packages", "--wheel", "--quiet", f"--out-dir={outside}/dist")
        uv(session, "venv", "--quiet", f"--python={OLDEST}", f"{outside}/venv")
        built = sorted(map(str, outside.glob("dist/*.whl")))
        uv(session, "pip", "install", "--quiet", f"--python={outside}/venv", *built)
        programs = outside / "venv" / "bin"
        session.chdir(outside)
        session.run(f"{programs}/python", "-c", f"import {', '.join(MODULES.values())}")
        nemotron = f"{programs}/nemotron"
        session.run(nemotron, "--help")
        session.run(nemotron, "nano3", "data", "prep", "sft", "-c", "sample")
        session.run(nemotron, "artifacts", "show", "nano3-sft-data-sample")
        session.run(nemotron, "nano3", "sft", "-c", "sample", "--dry-run")
        session.run(nemotron, "super3", "data", "prep", "rl", "rlvr1", "-c", "sample")
        with_nemo_run(session, outside, built)


def with_nemo_run(session: nox.Session, outside: Path, built: list[str]) -> None:
    """Install `nemotron[run,data]` as its users do, newest releases and all, and import it."""
    uv(session, "venv", "--quiet", f"--python={OLDEST}", f"{outside}/runner")
    (nemotron,) = (wheel for wheel in built if Path(wheel).name.startswith("nemotron-"))
    others = [wheel for wheel in built if wheel != nemotron]
    both = f"nemotron[run,data] @ {Path(nemotron).as_uri()}"
    uv(session, "pip", "install", "--quiet", f"--python={outside}/runner", both, *others)
    programs = outside / "runner" / "bin"
    session.run(f"{programs}/python", "-c", "import nemo_run, nemotron_data_prep")
    Path("env.toml").write_text("[cluster]\nexecutor = 'slurm'\naccount = 'research'\n")
    sample = ("nano3", "data", "prep", "sft", "-c", "sample")
    session.run(f"{programs}/nemotron", *sample, "--batch", "cluster", "--dry-run")


@nox.session(python=OLDEST, tags=[APART])
def bench(session: nox.Session) -> None:
    """Run every script in benchmarks/, beside its pinned peers, and write the results page."""
    groups = ("test", "adapters", "storage", "fast")
    sync(session, *(word for group in groups for word in ("--group", group)), "--inexact")
    with_torch_for_cpu(session)
    session.install("--no-deps", MEGATRON_CORE)
    session.install(DATATROVE)
    scripts = [file.stem for file in sorted(ROOT.glob("benchmarks/*.py"))]
    with tempfile.TemporaryDirectory() as results:
        env = {"BENCH_RESULTS": results}
        for script in session.posargs or scripts:
            session.run("python", "-m", f"benchmarks.{script}", env=env)
        if not session.posargs:
            page = "docs/reference/benchmarks.md"
            session.run("python", "-m", "benchmarks.support.page", results, page)


def chosen(keywords: str) -> list[str]:
    """Return the names of sessions by their tags."""
    listed = nox_of_its_own("--list", "--json", "-k", keywords)
    return [found["session"] for found in json.loads(listed.stdout)]


def in_turn(own: Sequence[str], common: deque[str]) -> Iterator[str]:
    """Give the names that are a queue's own, then those that no other queue has taken."""
    yield from own
    with suppress(IndexError):
        while True:
            yield common.popleft()


def failures(names: Iterable[str]) -> list[str]:
    """Run sessions one after the other, print what each said when it ends, return the failed."""
    failed = []
    for name in names:
        ended = nox_of_its_own("--session", name, stderr=subprocess.STDOUT)
        sys.stdout.write(ended.stdout)
        sys.stdout.flush()
        if ended.returncode:
            failed.append(name)
    return failed


def nox_of_its_own(*arguments: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess:
    """Run nox with this file in a process of its own."""
    command = [sys.executable, "-m", "nox", f"--noxfile={__file__}", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)


def sync(session: nox.Session, *what: str) -> None:
    """Install exactly this part of the lock file into the session."""
    location = session.virtualenv.location
    settings = ("--locked", "--no-default-groups", f"--python={location}")
    uv(session, "sync", "--quiet", *settings, *what, env={"UV_PROJECT_ENVIRONMENT": location})


def uv(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Run uv, which lives outside the session."""
    session.run_install("uv", *arguments, env=env, external=True)


def with_torch_for_cpu(session: nox.Session) -> None:
    """Install a CPU build: from the wheel folders that pip knows, else from PyTorch's index."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    sources = [f"--find-links={folder}" for folder in folders] or ["--torch-backend=cpu"]
    session.install(TORCH, *sources)


def lowest(package: str, dependency: str) -> str:
    """Return the requirement for the lowest version of a dependency that a package declares."""
    declared = PROJECTS[package]["project"]["dependencies"]
    (found,) = (item for item in declared if item.startswith(f"{dependency}>="))
    return found.replace(">=", "==")


def declared_siblings(package: str) -> list[str]:
    """Return the workspace packages that a package depends on, directly or not."""
    requirements = PROJECTS[package]["project"]["dependencies"]
    direct = [name for name in PROJECTS if name in requirements]
    return sorted({*direct, *(deeper for name in direct for deeper in declared_siblings(name))})


def refuse_undeclared_siblings(session: nox.Session, package: str) -> None:
    """Fail when the session can import a workspace package that this one does not declare."""
    allowed = {package, *declared_siblings(package)}
    forbidden = [module for name, module in MODULES.items() if name not in allowed]
    script = (
        "import importlib.util as u, sys;"
        "seen = [m for m in sys.argv[1:] if u.find_spec(m)];"
        "sys.exit(f'undeclared packages can be imported: {seen}' if seen else 0)"
    )
    session.run("python", "-c", script, *forbidden, silent=True)
