"""Every block of every page is executed or parsed; every link and every name leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_checker.mentions import broken_links, unknown_mentions
from docs_checker.pages import Page
from docs_checker.running import check_blocks

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "packages/*/README.md",
    "recipes/**/README.md",
)
PAGES = sorted({file for pattern in PATTERNS for file in ROOT.glob(pattern)})
each_page = pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))


@each_page
def test_every_block_holds(file: Path, tmp_path: Path) -> None:
    problems = check_blocks(Page.read(file), tmp_path, ROOT)
    assert not problems, "\n".join(problems)


@each_page
def test_every_link_leads_somewhere(file: Path) -> None:
    problems = list(broken_links(Page.read(file)))
    assert not problems, "\n".join(problems)


@each_page
def test_everything_mentioned_exists(file: Path) -> None:
    problems = list(unknown_mentions(Page.read(file), ROOT))
    assert not problems, "\n".join(problems)


@each_page
def test_the_page_can_be_found(file: Path) -> None:
    """Every page of the documentation is linked from its index, the index from the README."""
    if not file.is_relative_to(ROOT / "docs"):
        return
    index = ROOT / "docs" / "README.md"
    if file == index:
        index = ROOT / "README.md"
    targets = {target.partition("#")[0] for _, target in Page.read(index).links()}
    assert str(file.relative_to(index.parent)) in targets


def test_the_pages_are_there() -> None:
    names = {str(file.relative_to(ROOT)) for file in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/README.md"} <= names
    for kind in ("tutorials", "how-to", "reference", "explanation"):
        assert any(name.startswith(f"docs/{kind}/") for name in names)
