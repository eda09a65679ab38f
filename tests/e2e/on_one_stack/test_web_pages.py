"""Pages of other origins, in a real browser, against the running stack: they write nothing and read nothing."""

import json
from pathlib import Path

from tests.harness.browser import browse, needs_browser
from tests.harness.stack_contents import contents
from tests.harness.stacks import RunningStack

pytestmark = needs_browser


def test_pages_of_other_origins_write_and_read_nothing(stack: RunningStack, tmp_path: Path) -> None:
    before = contents(stack)
    browse("hostile-pages", tmp_path, stack.url, json.dumps(stack.ports), stack.token, states=0)
    assert contents(stack) == before
