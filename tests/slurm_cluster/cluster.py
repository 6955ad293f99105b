"""Starts a cluster, and tells and changes what happens on it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopback import free_ports
from ssh_server import server as ssh_server

from .configuration import ACCOUNTS, NAME, NODES, Places, write
from .daemons import SBIN, Daemons, wait_until

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "gcc": "gcc",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "unshare": "util-linux",
}
_HEADER = Path("/usr/include/slurm/spank.h")
_PLUGIN = Path(__file__).with_name("pyxis.c")
_COMMAND_LIMIT_S = 150
FINAL = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}


@dataclass(frozen=True)
class SlurmCluster:
    """A running cluster.

    Attributes:
        places: Its files and ports.
        accounting: Whether `sacct` knows of jobs.
        ssh: The login node.
        environment: What a process has to have in its environment to be a user of the cluster.
        daemons: What it consists of.
    """

    places: Places
    accounting: bool
    ssh: ssh_server.SshServer
    environment: Mapping[str, str]
    daemons: Daemons

    @property
    def home(self) -> Path:
        """The home of the cluster's user, here and on the login node."""
        return self.places.folder / "home"

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of Slurm and return what it printed."""
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_COMMAND_LIMIT_S,
            env={**os.environ, **self.environment},
        )
        if check and done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def show(self, job: str) -> dict[str, str]:
        """Return what the controller knows of a job, by the names of `scontrol show job`."""
        shown = self.run("scontrol", "--oneliner", "show", "job", job, check=False)
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def state(self, job: str) -> str:
        """Return the controller's word for the state of a job, or UNKNOWN."""
        return self.show(job).get("JobState", "UNKNOWN")

    def wait_for(self, job: str, *states: str, limit_s: float = 60) -> str:
        """Wait until a job is in one of the states, or has ended; return the state it is in."""
        wanted = FINAL.union(states)
        if not wait_until(lambda: self.state(job) in wanted, limit_s):
            raise RuntimeError(f"job {job} is {self.state(job)}, not {states}: {self.show(job)}")
        return self.state(job)

    def restarts(self, job: str) -> int:
        """How often a job was requeued."""
        return int(self.show(job).get("Restarts", "0"))

    def requeue(self, job: str) -> None:
        """Let a running job start again, as an administrator or a failing node does."""
        self.run("scontrol", "requeue", job)

    def preempt(self, job: str) -> str:
        """Take a job's nodes away for a more urgent one; return the other, which ends by itself."""
        nodes = self.show(job)["NodeList"]
        options = ("--partition=urgent", "--exclusive", f"--nodelist={nodes}", "--output=/dev/null")
        return self.run("sbatch", "--parsable", *options, "--wrap=true")

    def expire(self, job: str) -> None:
        """Let the time of a running job be over.

        The controller looks for such jobs every half minute.
        """
        self.run("scontrol", "update", f"JobId={job}", "EndTime=now")

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """Let no controller run for a while; the jobs, and accounting, do not mind."""
        self.daemons.stop("slurmctld")
        try:
            yield
        finally:
            start_controller(self)

    def cancel_all(self) -> None:
        """Leave no job behind, and wait until the nodes are free."""
        self.run("scancel", "--full", f"--user={self.ssh.user}")
        wait_until(lambda: not self.run("squeue", "--noheader"), 30)

    def add_image(self, name: str, **variables: str) -> Path:
        """Make a container image that has these environment variables of its own."""
        file = self.places.images / name.replace("/", "+").replace("#", "+")
        file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        return file

    def containers(self, job: str) -> list[dict[str, object]]:
        """Return the options of each container that a job started, in the order of its steps."""
        record = self.places.container_record
        lines = record.read_text().splitlines() if record.exists() else []
        return [found for found in map(json.loads, lines) if str(found["job"]) == job]


def missing_programs() -> list[str]:
    """Name the packages of Debian that have to be installed before a cluster can run."""
    path = f"{os.environ['PATH']}:{SBIN}"
    missing = [
        package for program, package in PACKAGES.items() if shutil.which(program, path=path) is None
    ]
    headers = [] if _HEADER.exists() else ["libslurm-dev", "slurm-wlm-basic-plugins-dev"]
    return missing + headers


@contextmanager
def running(folder: Path, *, accounting: bool = True) -> Iterator[SlurmCluster]:
    """Run a cluster until the block ends.

    Args:
        folder: An empty folder with a short path, for all that the cluster needs.
        accounting: Whether there is a database of jobs, as `sacct` wants it.
    """
    if absent := missing_programs():
        raise RuntimeError(f"a cluster needs packages that are missing: {' '.join(absent)}")
    with ExitStack() as stack:
        first, second, *others = stack.enter_context(free_ports(2 + len(NODES)))
        places = Places(folder, first, second, tuple(others))
        write(places, accounting=accounting)
        _compile(places)
        ssh = stack.enter_context(_login_node(places))
        environment = _environment(places, ssh)
        daemons = Daemons(folder / "log", environment, stack)
        _start_munge(daemons, places)
        cluster = SlurmCluster(places, accounting, ssh, environment, daemons)
        if accounting:
            _start_accounting(daemons, cluster)
        _start_slurm(daemons, cluster)
        try:
            yield cluster
        finally:
            cluster.cancel_all()


def _compile(places: Places) -> None:
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", f"{places.folder}/pyxis.so", str(_PLUGIN)]
    subprocess.run(command, check=True, timeout=_COMMAND_LIMIT_S)


@contextmanager
def _login_node(places: Places) -> Iterator[ssh_server.SshServer]:
    folder = places.folder / "ssh"
    folder.mkdir()
    path = f"{_own_programs()}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = f"SLURM_CONF={places.slurm_conf} PATH={path} HOME={places.folder}/home"
    with ssh_server.running(folder, f"SetEnv {variables}") as server:
        _write_client(places, server)
        yield server


def _own_programs() -> str:
    return str(Path(sys.prefix, "bin").resolve())


def _write_client(places: Places, server: ssh_server.SshServer) -> None:
    """Make the user's own ssh know the login node, by the name `lab` and by its address."""
    config = places.folder / "home" / ".ssh" / "config"
    config.write_text(
        f"Host {NAME}\n  HostName {ssh_server.HOST}\n"
        f"Host {NAME} {ssh_server.HOST}\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {server.known_hosts}\n  GlobalKnownHostsFile none\n"
    )
    # OpenSSH takes the home of the password file, whatever HOME says.
    programs = places.folder / "bin"
    programs.mkdir()
    wrapper = programs / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
    wrapper.chmod(0o755)


def _environment(places: Places, ssh: ssh_server.SshServer) -> dict[str, str]:
    programs = f"{places.folder}/bin:{_own_programs()}"
    return {
        "SLURM_CONF": str(places.slurm_conf),
        "HOME": str(places.folder / "home"),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LAB_SSH_HOST": ssh_server.HOST,
        "LAB_SSH_PORT": str(ssh.port),
        "LAB_SSH_USER": ssh.user,
        "LAB_SSH_KEY": str(ssh.key),
        "LAB_SSH_KNOWN_HOSTS": str(ssh.known_hosts),
    }


def _start_munge(daemons: Daemons, places: Places) -> None:
    key = places.folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    daemons.start(
        "munged",
        "munged",
        "--foreground",
        "--force",
        f"--key-file={key}",
        f"--socket={places.munge_socket}",
        f"--pid-file={places.folder}/munge.pid",
        f"--seed-file={places.folder}/munge.seed",
    )
    socket_option = f"--socket={places.munge_socket}"
    daemons.wait_until("munged", lambda: _succeeds("munge", "--no-input", socket_option))


def _start_accounting(daemons: Daemons, cluster: SlurmCluster) -> None:
    _start_database(daemons, cluster.places)
    unix_socket = {"MYSQL_UNIX_PORT": str(cluster.places.database_socket)}
    daemons.start("slurmdbd", "slurmdbd", "-D", environment=unix_socket)
    environment = cluster.environment
    daemons.wait_until(
        "slurmdbd", lambda: _succeeds("sacctmgr", "-n", "list", "cluster", **environment)
    )
    user = cluster.ssh.user
    cluster.run("sacctmgr", "-i", "add", "cluster", NAME)
    cluster.run("sacctmgr", "-i", "add", "account", ",".join(ACCOUNTS), f"cluster={NAME}")
    accounts = f"account={','.join(ACCOUNTS)}"
    # The superuser is there already, with an account of its own.
    cluster.run("sacctmgr", "-i", "add", "user", user, accounts, check=False)
    cluster.run("sacctmgr", "-i", "modify", "user", user, "set", f"defaultaccount={ACCOUNTS[0]}")


def _start_database(daemons: Daemons, places: Places) -> None:
    # A server that starts removes the temporary tables of all that share its folder for them.
    temporary = places.folder / "temporary"
    temporary.mkdir()
    own = [
        "--no-defaults",
        f"--datadir={places.folder}/database",
        f"--tmpdir={temporary}",
        "--innodb-log-file-size=4M",
        f"--user={daemon_user()}",
    ]
    ways = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    made = subprocess.run(
        ["mariadb-install-db", *own, *ways],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_COMMAND_LIMIT_S,
    )
    if made.returncode:
        raise RuntimeError(f"no database could be made:\n{made.stdout}")
    daemons.start(
        "mariadbd",
        "mariadbd",
        *own,
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=0",
        f"--socket={places.database_socket}",
        f"--pid-file={places.folder}/database.pid",
    )
    daemons.wait_until("mariadbd", places.database_socket.exists)


def daemon_user() -> str:
    """Who runs the daemons: the user that runs the tests."""
    return ssh_server.getpass.getuser()


def _start_slurm(daemons: Daemons, cluster: SlurmCluster) -> None:
    start_controller(cluster)
    hosts = cluster.places.folder / "etc" / "hosts"
    for node in NODES:
        command = (*_IN_OWN_MACHINE, "sh", "-c", _NODE, node, str(hosts))
        # What runs on a node ends as where the power fails.
        daemons.start(f"slurmd-{node}", *command, ends_by=signal.SIGKILL)
    daemons.wait_until("the nodes", lambda: _idle_nodes(cluster) == len(NODES))


def start_controller(cluster: SlurmCluster) -> None:
    """Start what knows the jobs; it reads what it wrote down before."""
    environment = cluster.environment
    cluster.daemons.start("slurmctld", "slurmctld", "-D")
    cluster.daemons.wait_until("slurmctld", lambda: _succeeds("scontrol", "ping", **environment))


_IN_OWN_MACHINE = (
    "unshare",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
)
# The shell stays, for the first process of a machine inherits, and has to bury, all orphans.
_NODE = 'hostname "$0"; mount --bind "$1" /etc/hosts; slurmd -D -N "$0" & wait $!'


def _idle_nodes(cluster: SlurmCluster) -> int:
    listed = cluster.run("sinfo", "--noheader", "--Node", "--partition=batch", "--format=%T")
    return listed.split().count("idle")


def _succeeds(*command: str, **environment: str) -> bool:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_COMMAND_LIMIT_S,
        env={**os.environ, **environment},
    )
    return done.returncode == 0
