"""The form of each kind of source in a real browser: accessible, and as wide as the window, in all appearances."""

from pathlib import Path

from functions.collection.connectors.registry import built_in_kinds
from tests.harness.browser import browse, needs_browser
from tests.harness.stacks import RunningStack

pytestmark = needs_browser


def test_forms_of_all_kinds_are_accessible_and_fit(stack: RunningStack, tmp_path: Path) -> None:
    kinds = built_in_kinds()
    browse("source-forms", tmp_path, stack.url, ",".join(kinds), screenshots=4 * len(kinds), token=stack.token)
