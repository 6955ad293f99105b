"""One script that looks at a login node and changes nothing, and what it prints."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from nemo_runspec.execution.profiles.slurm import SlurmProfile

_MARK = "nemotron-check "
_SAME = (
    *("account", "nodes", "time", "mem", "mem_per_gpu", "mem_per_cpu", "qos", "gres"),
    *("constraint", "nodelist", "exclude", "reservation", "cpus_per_task", "gpus_per_task"),
)


def as_script(profile: SlurmProfile) -> str:
    """Write the script.

    Args:
        profile: What is to be looked at.

    Returns:
        POSIX shell; it prints a line for each fact.
    """
    parts = [_BEGIN, _TOOLS, *_partitions(profile), _ACCOUNTS, _request(profile)]
    if profile.remote_job_dir is not None:
        parts.append(_folder(profile.remote_job_dir))
    if profile.container_image is not None:
        parts.append(_exists("image", "r", profile.container_image))
    for at, mount in enumerate(profile.mounts):
        source = mount.partition(":")[0]
        if source.startswith("/"):
            parts.append(_exists(f"mount {at}", "e", source))
    return "\n".join(parts)


def read_facts(printed: str) -> dict[str, str]:
    """Read what the script printed; what start-up files print is left out.

    Args:
        printed: Its standard output.

    Returns:
        Fact to value.
    """
    lines = [line for line in printed.splitlines() if line.startswith(_MARK)]
    parts = [line.removeprefix(_MARK).partition("=") for line in lines]
    return {name: value.strip() for name, _, value in parts}


_BEGIN = f"""LC_ALL=C; export LC_ALL
say() {{ printf '{_MARK}%s=%s\\n' "$1" "$2"; }}
first() {{ sed -n '/./{{p;q;}}' | sed 's/^[a-z]*: error: //'; }}
bounded() {{ if command -v timeout >/dev/null 2>&1; then timeout 10 "$@"; else "$@"; fi; }}"""

_TOOLS = """for t in sbatch rsync; do
  if command -v $t >/dev/null 2>&1; then say $t yes; else say $t no; fi
done
if command -v sbatch >/dev/null 2>&1; then
  say version "$(sbatch --version 2>/dev/null | sed 's/^[^0-9]*//')"
fi
if command -v sacct >/dev/null 2>&1; then
  if e=$(bounded sacct -X -n -S now 2>&1 >/dev/null); then say sacct yes
  else say sacct no; say sacct_says "$(printf '%s\\n' "$e" | first)"; fi
else say sacct no; fi
if command -v srun >/dev/null 2>&1; then
  if srun --help 2>&1 | grep -q -e --container-image; then say pyxis yes; else say pyxis no; fi
fi"""

_ACCOUNTS = """if command -v sacctmgr >/dev/null 2>&1; then
  if a=$(bounded sacctmgr -n -P show assoc user="$(id -un)" format=account 2>/dev/null); then
    say accounts_known yes
    say accounts "$(printf '%s\\n' "$a" | sort -u | tr '\\n' ',')"
  fi
fi"""

_WRITABLE = """while [ ! -e "$d" ] && [ "$d" != / ] && [ "$d" != . ]; do d=$(dirname -- "$d"); done
tried() {
  f=$(mktemp "$d/.nemotron-check.XXXXXX") || return 1
  dd if=/dev/zero of="$f" bs=4096 count=16
  c=$?; rm -f "$f"; return $c
}
if e=$(tried 2>&1); then say folder yes
else
  say folder no
  say folder_says "$(printf '%s\\n' "$e" | sed -n 's/^[a-z]*: .*: //p' | first)"
fi
say free_kib "$(df -Pk "$d" 2>/dev/null | awk 'NR == 2 {print $4}')\""""


def _partitions(profile: SlurmProfile) -> list[str]:
    lines = [
        "if command -v sinfo >/dev/null 2>&1; then",
        "  if p=$(bounded sinfo -h -o %P 2>/dev/null); then controller=yes; else controller=no; fi",
        "  say controller $controller; p=$(printf '%s\\n' \"$p\" | sort -u)",
        "  say partitions \"$(printf '%s\\n' $p | tr -d '*' | paste -s -d ' ' -)\"",
        "  say default_partition \"$(printf '%s\\n' $p | sed -n 's/[*]$//p')\"",
        "fi",
    ]
    # Whoever does not answer is not asked again: each question would wait for its time limit.
    lines.append('answers() { [ "${controller:-yes}" = yes ]; }')
    names = dict.fromkeys(profile.partition_for(mode) for mode in ("run", "batch"))
    for name in filter(None, names):
        asked = f"answers && bounded scontrol -o show partition {shlex.quote(name)} 2>/dev/null"
        state = f"{asked} | sed -n 's/.* State=\\([A-Z]*\\).*/\\1/p'"
        lines.append(f'say {shlex.quote(f"partition {name}")} "$({state})"')
    return lines


def _request(profile: SlurmProfile) -> str:
    """Ask Slurm whether it would take such a job; nothing is queued."""
    options = [
        f"--{name.replace('_', '-')}={value}"
        for name in _SAME
        if (value := getattr(profile, name)) is not None
    ]
    partition = profile.partition_for("batch")
    if partition is not None:
        options.append(f"--partition={partition}")
    if profile.gpus_per_node:
        options.append(f"--gpus-per-node={profile.gpus_per_node}")
    if profile.ntasks_per_node:
        options.append(f"--ntasks-per-node={profile.ntasks_per_node}")
    words = " ".join(shlex.quote(option) for option in options)
    return (
        "if command -v sbatch >/dev/null 2>&1 && answers; then\n"
        f"  if e=$(bounded sbatch --test-only {words} --wrap=true 2>&1); then say request yes\n"
        '  else say request no; say request_says "$(printf \'%s\\n\' "$e" | first)"; fi\n'
        "fi"
    )


def _folder(folder: str) -> str:
    """Write a file where the folder is, or where it would be created, and remove it again."""
    return f"d={_quoted(folder)}\n{_WRITABLE}"


def _exists(fact: str, test: str, path: str) -> str:
    return f"if [ -{test} {_quoted(path)} ]; then say '{fact}' yes; else say '{fact}' no; fi"


def _quoted(path: str) -> str:
    """Quote a path for a shell, but for the home folder in front."""
    if path == "~":
        return '"$HOME"'
    if path.startswith("~/"):
        return f'"$HOME"/{shlex.quote(path[2:])}'
    return shlex.quote(str(PurePosixPath(path)))
