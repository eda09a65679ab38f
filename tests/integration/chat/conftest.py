"""Cloud Tasks, for chat functions that have a queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.localcloud import Cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Cloud Tasks with a paused queue: tests deliver its tickets."""
    made = Cloud(tmp_path)
    made.client.pause_queue(name=made.create_queue("chat"))
    yield made
    made.stop()
