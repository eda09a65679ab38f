"""The documentation: links lead to existing files and headings, named files exist, decisions are numbered in order."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED_PATH = re.compile(r"`((?:bench|docs|edge|examples|functions|localcloud|scripts|shared|tests)/[\w./-]+)`")
EXTERNAL = re.compile(r"[a-z]+:")
EXAMPLES = {"docs/install.md", "tests/e2e/screenshots/"}  # a document's key; written on request


def tracked_files() -> list[str]:
    output = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return output.rstrip("\0").split("\0")


PAGES = [path for path in tracked_files() if path.endswith(".md") and not path.startswith("tests/data/")]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def broken_links(page: Path) -> Iterator[str]:
    text = CODE_SPAN.sub("", FENCE.sub("", page.read_text()))
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if EXTERNAL.match(link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_existing_files_and_headings(name: str) -> None:
    assert list(broken_links(ROOT / name)) == []


@pytest.mark.parametrize("name", PAGES)
def test_named_files_exist(name: str) -> None:
    paths = set(NAMED_PATH.findall(FENCE.sub("", (ROOT / name).read_text()))) - EXAMPLES
    assert [path for path in sorted(paths) if "NAME" not in path and not (ROOT / path).exists()] == []


def test_decisions_are_numbered_in_order_and_titled_with_their_number() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for number, page in enumerate(DECISIONS, 1):
        assert page.read_text().startswith(f"# {number}. "), page.name


def test_index_has_every_page_once() -> None:
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    linked = [link for link in LINK.findall((ROOT / "docs" / "README.md").read_text()) if "/" not in link]
    assert sorted(link for link in linked if link.endswith(".md")) == sorted(pages)


def test_link_checker_finds_broken_links(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c\n\n[1](#a-b-c) [2](#missing) [3](missing.md) [4](https://example.org) `[5](no-link.md)`\n"
    )
    assert list(broken_links(page)) == ["#missing", "missing.md"]


def test_readme_leads_to_parsers_in_two_clicks() -> None:
    first = LINK.findall((ROOT / "README.md").read_text())
    assert "docs/extending.md" in first
    assert "../functions/collection/parsers/markdown" in LINK.findall((ROOT / "docs" / "extending.md").read_text())
