"""The form of each kind of source in a real browser: accessible, and as wide as the window, in all appearances."""

from pathlib import Path

import httpx

from functions.collection.connectors.registry import built_in_kinds
from tests.harness.browser import browse, needs_browser
from tests.harness.stacks import RunningStack

pytestmark = needs_browser


def test_forms_of_all_kinds_are_accessible_and_fit(stack: RunningStack, tmp_path: Path) -> None:
    """The page shows a source, too, whose name has no place to break a line."""
    kinds = built_in_kinds()
    source = {"kind": "uploads", "name": "0123456789abcdef" * 6, "config": {}}
    httpx.post(f"{stack.url}/api/sources", json=source, headers=stack.authorization, timeout=60).raise_for_status()
    browse("source-forms", tmp_path, stack.url, ",".join(kinds), states=4 * len(kinds), token=stack.token)
