"""Fail if tests were skipped that could have run: `python -m scripts.checks.skipped_tests REPORT…`. CI runs it.

A skip has to name what it needs, `needs NAME: why`, in pytest's reason or in the name of a vitest test, because vitest
reports no reasons. It is accepted only if NAME is neither installed nor installable. Reads JUnit reports.
"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from scripts.checks.system_tools import is_available

_NEED = re.compile(r"\bneeds ([\w.-]+)")


def reasons(report: str) -> list[tuple[str, str]]:
    """List each skipped test with its reason."""
    return [
        (f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or str(case.get("name")))
        for case in ET.fromstring(report).iter("testcase")
        for skipped in case.iter("skipped")
    ]


def rejection(reason: str) -> str | None:
    """Return why a skip is rejected, None if it is accepted."""
    need = _NEED.search(reason)
    if need is None:
        return "names nothing that it needs"
    return f"{need[1]} is available here" if is_available(need[1]) else None


def main() -> None:
    """Print every skip. Exits with 1 if one is rejected."""
    failed = False
    reports = [Path(path).read_text() for path in sys.argv[1:]]
    for test, reason in (skip for report in reports for skip in reasons(report)):
        rejected = rejection(reason)
        failed |= rejected is not None
        print(f"skipped {test}: {reason}" + (f" ({rejected})" if rejected else ""))
    sys.exit(failed)


if __name__ == "__main__":
    main()
