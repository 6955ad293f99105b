"""Write the results page: `python -m benchmarks.support.page RESULTS_FOLDER PAGE`."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.support.harness import Check


def main(results: Path, page: Path) -> int:
    """Write the page, and return the exit code: 1 when a promise is not kept."""
    sections = [json.loads(file.read_text("utf-8")) for file in sorted(results.glob("*.json"))]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join([_head(), *map(_section, sections)]) + "\n", encoding="utf-8")
    missed = [check for section in sections for check in _checks(section) if not check.kept]
    for check in missed:
        print(f"missed: {check.promise}: {check.measured:g} > {check.limit:g}", file=sys.stderr)
    return 1 if missed or not sections else 0


def _head() -> str:
    day = dt.datetime.now(tz=dt.UTC).date().isoformat()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return (
        "# Benchmarks\n\n"
        "Written by `uvx nox -s bench`, which runs every script in `benchmarks/`.\n\n"
        f"{day}, {machine}, CPython {platform.python_version()}."
    )


def _section(section: Mapping[str, Any]) -> str:
    parts = [f"## {section['title']}", section["setting"], _table(section["rows"])]
    checks = _checks(section)
    if checks:
        parts.append("\n".join(map(_verdict, checks)))
    return "\n\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0])
    lines = [
        columns,
        ["---"] * len(columns),
        *([row[column] for column in columns] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _checks(section: Mapping[str, Any]) -> list[Check]:
    return [Check(**check) for check in section["checks"]]


def _verdict(check: Check) -> str:
    verdict = "kept" if check.kept else "**missed**"
    return f"- {check.promise}: {check.measured:g} of at most {check.limit:g}, {verdict}."


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
