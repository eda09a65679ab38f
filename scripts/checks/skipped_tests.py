"""Skipped tests: JUnit reports flow in, an exit status flows out: `python -m scripts.checks.skipped_tests REPORT…`.

CI calls it. A skip says what it lacks as `needs NAME: why`: as pytest's reason, or in the test's own name, since vitest
reports no reason. It is excused only where that can't be had; a skip of any other form is not.
"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from scripts.checks.system_tools import can_be_had

_NEED = re.compile(r"\bneeds ([\w.-]+)")


def reasons(report: str) -> list[tuple[str, str]]:
    """List each skipped test with its reason."""
    return [
        (f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or str(case.get("name")))
        for case in ET.fromstring(report).iter("testcase")
        for skipped in case.iter("skipped")
    ]


def inexcusable(reason: str) -> str | None:
    """Say why a skip is not acceptable, or None when it is."""
    need = _NEED.search(reason)
    if need is None:
        return "doesn't say what it needs"
    return f"{need[1]} can be had here" if can_be_had(need[1]) else None


def main() -> None:
    """Print every skip, and fail when one is inexcusable."""
    failed = False
    reports = [Path(path).read_text() for path in sys.argv[1:]]
    for test, reason in (skip for report in reports for skip in reasons(report)):
        complaint = inexcusable(reason)
        failed |= complaint is not None
        print(f"skipped {test}: {reason}" + (f" ({complaint})" if complaint else ""))
    sys.exit(failed)


if __name__ == "__main__":
    main()
