"""Regular expressions that every supported Python matches alike."""

import re

from tests.harness.paths import ROOT

POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+(?!\+)")


def test_no_group_is_repeated_possessively() -> None:
    """Python before 3.11.5 may match possessively repeated groups wrongly (CPython issue 106052)."""
    files = [path for folder in ("functions", "shared", "localcloud") for path in (ROOT / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if not {".venv", "node_modules"} & set(path.parts)
        for line in path.read_text().splitlines()
        if ("re.compile" in line or 'r"' in line) and POSSESSIVE_GROUP.search(line)
    ]
    assert found == []
