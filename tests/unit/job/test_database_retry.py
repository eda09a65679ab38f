"""How long a job worker waits for a database that has gone away, with a clock of the test's own."""

import pytest

from functions.job.database_retry import DatabaseRetry
from headwater.errors import DatabaseUnavailable


class Database:
    """Is away until a moment; the clock stands still but for waits."""

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
            raise DatabaseUnavailable("away")
        return "here"


def outage_of(database: Database) -> DatabaseRetry:
    outage = DatabaseRetry(300, clock=database.now, sleep=database.wait)
    outage.call(lambda: "was there")
    return outage


def test_call_is_retried_until_the_database_returns() -> None:
    database = Database(back_at=60)
    outage = outage_of(database)
    assert outage.call(database.call) == "here"
    assert 3 < database.calls < 200
    assert outage.ended_at == database.time >= 60


def test_call_fails_after_a_long_outage() -> None:
    database = Database(back_at=1e9)
    outage = outage_of(database)
    with pytest.raises(DatabaseUnavailable):
        outage.call(database.call)
    assert 300 < database.time < 306


def test_each_outage_has_its_own_time_limit() -> None:
    database = Database(back_at=200)
    outage = outage_of(database)
    outage.call(database.call)
    database.back_at = 450
    assert outage.call(database.call) == "here"


def test_first_call_is_not_retried() -> None:
    database = Database(back_at=1)
    with pytest.raises(DatabaseUnavailable):
        DatabaseRetry(300, clock=database.now, sleep=database.wait).call(database.call)
    assert database.calls == 1
