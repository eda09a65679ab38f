"""Retries of database calls during an outage, with a clock of the test's own."""

import pytest

from functions.job.database_retry import DatabaseRetry
from headwater.errors import DatabaseUnavailable


class Database:
    """A database that is unavailable until `back_at`. Its clock advances only while a caller waits."""

    def __init__(self, back_at: float) -> None:
        self.time = 0.0
        self.back_at = back_at
        self.calls = 0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        assert seconds <= 5
        self.time += max(seconds, 0.01)

    def call(self) -> str:
        self.calls += 1
        if self.time < self.back_at:
            raise DatabaseUnavailable("unavailable")
        return "answer"


def retry_after_an_answer(database: Database) -> DatabaseRetry:
    """Return a DatabaseRetry whose database has answered before."""
    retry = DatabaseRetry(300, clock=database.now, sleep=database.wait)
    retry.call(lambda: "first answer")
    return retry


def test_call_is_retried_until_the_database_returns() -> None:
    database = Database(back_at=60)
    retry = retry_after_an_answer(database)
    assert retry.call(database.call) == "answer"
    assert 3 < database.calls < 200
    assert retry.ended_at == database.time >= 60


def test_call_fails_after_a_long_outage() -> None:
    database = Database(back_at=1e9)
    retry = retry_after_an_answer(database)
    with pytest.raises(DatabaseUnavailable):
        retry.call(database.call)
    assert 300 < database.time < 306


def test_each_outage_has_its_own_time_limit() -> None:
    database = Database(back_at=200)
    retry = retry_after_an_answer(database)
    retry.call(database.call)
    database.back_at = 450
    assert retry.call(database.call) == "answer"


def test_first_call_is_not_retried() -> None:
    database = Database(back_at=1)
    with pytest.raises(DatabaseUnavailable):
        DatabaseRetry(300, clock=database.now, sleep=database.wait).call(database.call)
    assert database.calls == 1
