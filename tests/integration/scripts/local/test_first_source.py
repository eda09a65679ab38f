"""The first source of a new data folder, where it cannot be added. `tests/e2e/test_dev_supervisor.py` adds it."""

import asyncio
from pathlib import Path

from scripts.local.first_source import Api, add_first_source
from tests.harness.ports import free_port


def add(url: str, checkout: Path) -> list[str]:
    """Return the lines that are reported."""
    lines: list[str] = []
    asyncio.run(add_first_source(Api(url, "token"), checkout, say=lines.append))
    return lines


def test_checkout_without_git_is_reported(tmp_path: Path) -> None:
    [line] = add(f"http://127.0.0.1:{free_port()}", tmp_path)
    assert line == f"Headwater's docs were not added as a first source: {tmp_path} is not a Git repository."


def test_api_that_cannot_be_reached_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    [line] = add(url, tmp_path)
    assert line.startswith(f"Headwater's docs could not be collected as a first source: GET {url}/api/sources: ")
