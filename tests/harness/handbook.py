"""The files that programs have made of the same texts, and how much of a text a parser has recovered."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

from tests.harness.paths import ROOT

DOCUMENTS = ROOT / "tests/data/documents"
PRODUCERS = ROOT / "tests/data/producers"


def made_files(name: str) -> list[Path]:
    """Return the files of all programs that say what `handbook`, `deck` or `stock` says."""
    return sorted(path for path in DOCUMENTS.glob(f"{name}.*") if path.suffix != ".md")


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"\w+", text)


def headings(text: str) -> list[str]:
    """Return the lines that are headings, with their hashes."""
    return [line for line in text.splitlines() if line.startswith("#")]


def share_in_order(expected: Sequence[str], found: Sequence[str]) -> float:
    """Return the share of words that are found in the same order."""
    blocks = SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(expected)
