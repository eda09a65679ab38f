"""Limits of a batch of files."""

import time
from collections.abc import Callable, Iterator

import pytest

from functions.collection.pipeline.fetch import MAX_PARSING_S, limit_time
from headwater.connectors import Fetched
from headwater.errors import PermanentError

FILES = [Fetched(f"{n}.md", b"", "text/markdown") for n in range(10)]


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that only this function moves."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return sleep


def test_batch_that_takes_long_to_parse_is_given_up(sleep: Callable[[float], None]) -> None:
    files = limit_time(FILES)
    for _ in range(5):
        next(files)
        sleep(MAX_PARSING_S / 4)
    with pytest.raises(PermanentError, match=f"took longer than {MAX_PARSING_S:g} s to parse"):
        next(files)


def test_time_for_fetching_does_not_count(sleep: Callable[[float], None]) -> None:
    def fetch() -> Iterator[Fetched]:
        for file in FILES:
            sleep(MAX_PARSING_S)
            yield file

    assert len(list(limit_time(fetch()))) == len(FILES)
