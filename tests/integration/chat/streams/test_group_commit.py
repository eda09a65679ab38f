"""Groups of several answers that are committed together."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from functions.chat.conversations.questions import ask
from functions.chat.streams import message_log
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.streams.message_log import AnswerEnded, AnswerKey
from functions.chat.streams.ui_message_stream import Abort, Event, Part, TextDelta, TextStart, encode
from headwater.auth.callers import Caller
from headwater.database.transactions import Database, owner_transaction
from headwater.errors import DatabaseUnavailable
from tests.harness.databases import FreshDatabase, connected
from tests.harness.stacks import wait_until
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_workspace

Results = dict[int, "Future[list[Event]]"]


@pytest.fixture
def opened(database: FreshDatabase) -> Iterator[Database]:
    with connected(database.url, 4) as made:
        add_workspace(made)
        add_workspace(made, OTHER_WORKSPACE)
        yield made


def begin(database: Database, conversation_id: str, workspace_id: uuid.UUID = WORKSPACE) -> AnswerKey:
    with database.transaction(workspace_id) as tx:
        return ask(tx, Caller(workspace_id, "local", "owner"), conversation_id, "m1", "How?")[0]


@contextmanager
def locked(database: Database, answer: AnswerKey) -> Iterator[None]:
    """Lock an answer, as a request does that stops it."""
    with database.transaction(answer.workspace_id) as tx:
        tx.execute(sa.text("select 1 from messages where id = :id for update"), {"id": answer.id})
        yield


def waiting(commits: GroupCommit) -> int:
    """Return the number of groups that wait, or -1 if nothing is being committed."""
    return len(commits._waiting[WORKSPACE]) if WORKSPACE in commits._waiting else -1


def append_together(commits: GroupCommit, answers: list[AnswerKey], pool: ThreadPoolExecutor) -> Results:
    """Append a delta to each answer: to the first one alone, to the others together. Returns the results."""
    results: Results = {}
    with locked(commits.database, answers[0]):
        for n, answer in enumerate(answers):
            results[n] = pool.submit(commits.append, answer, [TextStart(), TextDelta(delta=f"text {n}")], 0)
            wait_until(lambda n=n: waiting(commits) == n)  # type: ignore[misc]
    return results


def expected(n: int) -> list[Event]:
    return [Event(1, encode(TextStart())), Event(2, encode(TextDelta(delta=f"text {n}")))]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def test_waiting_groups_are_committed_in_one_transaction(opened: Database, pool: ThreadPoolExecutor) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(6)]
    results = append_together(commits, answers, pool)
    for n, result in results.items():
        assert result.result(60) == expected(n)
    assert waiting(commits) == -1
    with opened.transaction(WORKSPACE) as tx:
        transactions = (
            tx.execute(sa.text("select count(*) from message_events group by xmin order by 1")).scalars().all()
        )
        assert transactions == [2, 10]
        for n, answer in enumerate(answers):
            assert message_log.read(tx, answer) == expected(n)


def test_group_of_an_ended_answer_fails_alone(opened: Database, pool: ThreadPoolExecutor) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(4)]
    with opened.transaction(WORKSPACE) as tx:
        message_log.end(tx, answers[2], "stopped", Abort())
    results = append_together(commits, answers, pool)
    with pytest.raises(AnswerEnded):
        results[2].result(60)
    assert [results[n].result(60) for n in (0, 1, 3)] == [expected(n) for n in (0, 1, 3)]


def test_group_of_a_former_writer_fails_alone(opened: Database, pool: ThreadPoolExecutor) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(3)]
    with opened.transaction(WORKSPACE) as tx:
        message_log.remember_request(tx, answers[1], b"{}")
        taken = message_log.take_over(tx, WORKSPACE, answers[1].id)
    results = append_together(commits, answers, pool)
    with pytest.raises(AnswerEnded):
        results[1].result(60)
    assert results[2].result(60) == expected(2)
    assert taken
    assert commits.append(taken[0], [TextStart()], 0) == [Event(message_log.MAX_EVENTS + 1, encode(TextStart()))]


def test_locked_answer_does_not_delay_the_others(opened: Database, pool: ThreadPoolExecutor) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(3)]
    with locked(opened, answers[2]):
        results = append_together(commits, answers, pool)
        assert results[1].result(60) == expected(1)
        assert not results[2].done()
    assert results[2].result(60) == expected(2)


def test_failure_of_one_group_does_not_fail_the_others(
    opened: Database, pool: ThreadPoolExecutor, database: FreshDatabase
) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(4)]
    with owner_transaction(database.admin_url) as tx:
        tx.exec_driver_sql(f"alter table message_events add check (message_id <> '{answers[2].id}')")
    results = append_together(commits, answers, pool)
    with pytest.raises(sa.exc.DBAPIError, match="message_events"):
        results[2].result(60)
    assert [results[n].result(60) for n in (0, 1, 3)] == [expected(n) for n in (0, 1, 3)]


def test_group_whose_commit_was_not_reported_is_not_appended_twice(opened: Database) -> None:
    answer = begin(opened, "c1")
    parts: list[Part] = [TextStart(), TextDelta(delta="text 0")]
    for _ in range(2):
        with opened.transaction(WORKSPACE) as tx:
            assert message_log.append(tx, answer, parts, after=0) == expected(0)


@pytest.mark.direct
def test_connection_that_one_group_breaks_does_not_fail_the_others(
    opened: Database, pool: ThreadPoolExecutor, database: FreshDatabase
) -> None:
    commits = GroupCommit(opened)
    answers = [begin(opened, f"c{n}") for n in range(4)]
    with owner_transaction(database.admin_url) as tx:
        tx.exec_driver_sql(_BREAKS.format(answers[2].id))
    results = append_together(commits, answers, pool)
    with pytest.raises(DatabaseUnavailable):
        results[2].result(60)
    assert [results[n].result(60) for n in (0, 1, 3)] == [expected(n) for n in (0, 1, 3)]


def test_workspaces_have_transactions_of_their_own(opened: Database) -> None:
    commits = GroupCommit(opened)
    here, there = begin(opened, "c1"), begin(opened, "c1", OTHER_WORKSPACE)
    started, over = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(opened, here):
            started.set()
            assert over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert started.wait(60)
    blocked = threading.Thread(target=commits.append, args=(here, [TextStart()], 0))
    blocked.start()
    wait_until(lambda: waiting(commits) == 0)
    assert commits.append(there, [TextStart()], 0) == [Event(1, encode(TextStart()))]
    over.set()
    for thread in (holder, blocked):
        thread.join(60)
    with opened.transaction(WORKSPACE) as tx:
        assert message_log.read(tx, here) == [Event(1, encode(TextStart()))]
        assert message_log.append_many(tx, WORKSPACE, [(there, [TextStart()])]) == {}


_BREAKS = """
    create function break_connection() returns trigger language plpgsql security definer as $$
    begin
      if new.message_id = '{}' then perform pg_terminate_backend(pg_backend_pid()); end if;
      return new;
    end $$;
    create trigger breaks before insert on headwater.message_events for each row execute function break_connection()
"""
