"""What the daemons of a cluster read."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2", "n3")
NAME = "lab"
PARTITIONS = ("batch", "interactive", "urgent")
GPUS_PER_NODE = 8
ACCOUNTS = ("research", "production")


@dataclass(frozen=True)
class Places:
    """Where a cluster keeps what it needs, and where it listens.

    Attributes:
        folder: All of its files; a short path, for there are sockets in it.
        controller_port: slurmctld.
        database_port: slurmdbd.
        node_ports: A slurmd for each node.
    """

    folder: Path
    controller_port: int
    database_port: int
    node_ports: tuple[int, ...]

    @property
    def slurm_conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.folder / "munge.socket"

    @property
    def database_socket(self) -> Path:
        return self.folder / "database.socket"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def container_record(self) -> Path:
        return self.folder / "containers.jsonl"


def write(places: Places, *, accounting: bool) -> None:
    """Write every file of configuration."""
    for name in ("etc", "state", "spool", "log", "images", "root", "home/.ssh"):
        (places.folder / name).mkdir(parents=True)
    places.slurm_conf.write_text("\n".join(_slurm(places, accounting=accounting)) + "\n")
    secret = places.folder / "etc" / "slurmdbd.conf"
    secret.touch(mode=0o600)
    secret.write_text("\n".join(_slurmdbd(places)) + "\n")
    _write_gpus(places.folder)
    (places.folder / "etc" / "plugstack.conf").write_text(_plugins(places))
    (places.folder / "etc" / "hosts").write_text(f"127.0.0.1 localhost {' '.join(NODES)}\n")


def _write_gpus(folder: Path) -> None:
    """Slurm asks only whether the devices are there."""
    devices = folder / "gpus"
    devices.mkdir()
    for number in range(GPUS_PER_NODE):
        (devices / str(number)).touch()
    last = GPUS_PER_NODE - 1
    (folder / "etc" / "gres.conf").write_text(f"Name=gpu File={devices}/[0-{last}]\n")


def _slurm(places: Places, *, accounting: bool) -> list[str]:
    folder = places.folder
    user = getpass.getuser()
    return [
        f"ClusterName={NAME}",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={places.controller_port}",
        # Jobs of clusters that run side by side have numbers of their own.
        f"FirstJobId={places.controller_port}",
        f"SlurmUser={user}",
        f"SlurmdUser={user}",
        # A requeued job waits as long as credentials live.
        f"AuthInfo=socket={places.munge_socket},cred_expire=5",
        f"StateSaveLocation={folder}/state",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmctldLogFile={folder}/log/slurmctld",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        f"SlurmdLogFile={folder}/log/slurmd-%n",
        f"PlugStackConfig={folder}/etc/plugstack.conf",
        # The machine may be smaller than what the nodes are said to be.
        "SlurmdParameters=config_overrides",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        # Jobs start when they are submitted, not with the others of three seconds.
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1",
        "MpiDefault=none",
        "SwitchType=switch/none",
        "JobAcctGatherType=jobacct_gather/none",
        "ReturnToService=2",
        "KillWait=3",
        "EnforcePartLimits=ALL",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "PropagateResourceLimits=NONE",
        "MailProg=/bin/true",
        "GresTypes=gpu",
        *_accounting(places, accounting=accounting),
        *(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
            f"CPUs=4 RealMemory=200000 Gres=gpu:{GPUS_PER_NODE} State=UNKNOWN"
            for name, port in zip(NODES, places.node_ports, strict=True)
        ),
        "PartitionName=batch Nodes=ALL Default=YES State=UP PriorityTier=1",
        "PartitionName=interactive Nodes=ALL State=UP PriorityTier=1",
        "PartitionName=urgent Nodes=ALL State=UP PriorityTier=9 PreemptMode=OFF",
    ]


def _accounting(places: Places, *, accounting: bool) -> list[str]:
    if not accounting:
        return ["AccountingStorageType=accounting_storage/none"]
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=localhost",
        f"AccountingStoragePort={places.database_port}",
        # sacctmgr looks for munge here, not in AuthInfo.
        f"AccountingStoragePass={places.munge_socket}",
        "AccountingStorageEnforce=associations",
    ]


def _slurmdbd(places: Places) -> list[str]:
    return [
        "DbdHost=localhost",
        f"DbdPort={places.database_port}",
        f"SlurmUser={getpass.getuser()}",
        f"AuthInfo=socket={places.munge_socket}",
        f"LogFile={places.folder}/log/slurmdbd",
        f"PidFile={places.folder}/slurmdbd.pid",
        "StorageType=accounting_storage/mysql",
        "StorageUser=root",
        "StorageLoc=accounting",
    ]


def _own_folders() -> list[str]:
    """The Python that runs the tests, where it comes from, and the checkout that it imports."""
    checkout = Path(__file__).resolve().parents[2]
    found = {checkout, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    return sorted(str(folder) for folder in found if not found.intersection(folder.parents))


def _plugins(places: Places) -> str:
    options = {
        "registry": places.images,
        "record": places.container_record,
        "root": places.folder / "root",
        "also": ":".join(_own_folders()),
    }
    words = " ".join(f"{name}={value}" for name, value in options.items())
    return f"required {places.folder}/pyxis.so {words}\n"
