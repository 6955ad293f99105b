"""A real Slurm on one machine, for tests: three nodes, accounting, a login node, containers.

Every cluster has its own folder, ports, keys and database; nothing of the machine is configured,
nothing needs systemd, and all of it ends with the process that started it. It runs as root, for
its nodes are namespaces: each has its own host name (n1, n2, n3), its own processes, and names of
the others that resolve. The packages that it needs are in `cluster.PACKAGES`.

- Partitions: `batch` (default), `interactive`, and `urgent`, whose jobs requeue those of `batch`.
- Accounts: `research` (default) and `production`, for the user that runs the tests. A job for any
  other partition or account is refused.
- Nodes: 4 CPUs, 8 GPUs (by count only) and 200 GB each, as far as Slurm is told.
- `ssh lab` reaches the login node, an sshd on loopback, from `cluster.environment`; Slurm's
  commands work there as they work here. Programs of the Python that runs the tests come first on
  its PATH, and on that of jobs.
- Containers: `pyxis.c` is compiled and loaded. `cluster.add_image("nvcr.io/nvidia/nemo:25.07")`
  makes an image that can be asked for; `cluster.containers(job)` tells what was asked for.

From a test, whose conftest.py has put `tests` on sys.path::

    from slurm_cluster.fixtures import cluster, cluster_without_accounting

    def test_a_job_ends(cluster, tmp_path):
        job = cluster.run("sbatch", "--parsable", "--wrap=hostname", f"--output={tmp_path}/log")
        assert cluster.wait_for(job, "COMPLETED") == "COMPLETED"

`cluster.environment` is for child processes; `cluster.user_env` is a fixture's business: it sets
the same for the process of the tests.

From a shell, in the folder `tests`::

    python -m slurm_cluster /tmp/lab >/tmp/lab.env &     # --without-accounting is the one option
    until [ -s /tmp/lab.env ]; do sleep 0.1; done; source /tmp/lab.env
    sinfo; sbatch --wrap=hostname; ssh lab squeue
    kill %1
"""

from .cluster import PACKAGES, SlurmCluster, missing_programs, running

__all__ = ["PACKAGES", "SlurmCluster", "missing_programs", "running"]
