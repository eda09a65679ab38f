"""Answers that have lost their writer are written anew by steps of the queue `chat`."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from functions.chat.streams import message_log
from headwater.database.transactions import ALL_WORKSPACES
from headwater.queue.tickets import LOST_ANSWER_S
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import (
    ChatApp,
    event_types,
    parse_events,
    running_chat_app,
    second_instance,
    text_of,
)
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import LOCATION, Cloud, wait_until
from tests.harness.support import WORKSPACE, queue_settings
from tests.integration.chat.streams.test_resume import BackgroundReader, finish, kill_writer, resume

QUESTION = "How do I install the compass?"
TEXT = "Hello world [1]."


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A model that sends one word, and the rest once `wait` is set."""
    with fake_provider() as provider:
        provider.pieces = ["Hello ", "world [1]."]
        provider.wait, provider.wait_after = threading.Event(), 1
        yield provider


@pytest.fixture
def chat(cloud: Cloud, database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


@pytest.fixture
def second_app(cloud: Cloud, chat: ChatApp, database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    """Another instance of the same function."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with second_instance(database, **changes) as other:
        yield other


def tickets(cloud: Cloud) -> int:
    return len(cloud.task_ids(f"{LOCATION}/queues/chat"))


def read_first_text(response: TestResponse) -> None:
    stream = iter(response.response)
    while b"text-delta" not in bytes(next(stream)):  # type: ignore[arg-type]
        pass


@pytest.fixture
def lost(chat: ChatApp) -> Iterator[TestResponse]:
    """An answer with one word, whose writer has stopped long ago, and which no client reads."""
    response = chat.post("c1", QUESTION)
    read_first_text(response)
    chat.rows(
        "update messages set alive_until = now() - make_interval(secs => :s) where state = 'streaming'",
        s=LOST_ANSWER_S + 1,
    )
    yield response
    response.close()


def states(chat: ChatApp) -> list[str]:
    return [message["metadata"]["state"] for message in chat.messages("c1")]


def runs(chat: ChatApp) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in chat.rows("select kind, state from runs order by created_at")]


def test_watchdog_has_an_answer_of_a_dead_writer_written_anew(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    finish(provider)
    assert second_app.drain(watch=True) == 1
    assert states(chat) == ["complete", "complete"]
    assert chat.messages("c1")[1]["parts"][-1]["text"] == TEXT
    assert runs(chat) == [("answer", "succeeded")]
    assert len(provider.requests) == 2
    assert provider.requests[0]["messages"] == provider.requests[1]["messages"], "the same question"


def test_watchdog_leaves_answers_alone_that_are_being_written(chat: ChatApp, provider: FakeProvider) -> None:
    reader = BackgroundReader(chat.post("c1", QUESTION))
    reader.until("text-delta")
    assert chat.drain(watch=True) == 0
    finish(provider)
    assert text_of(reader.all()) == TEXT
    assert runs(chat) == []


def test_an_answer_is_written_anew_once(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    with chat.database.transaction(ALL_WORKSPACES) as tx:
        for _ in range(2):
            assert tx.execute(sa.text("select rewrite_lost_answers(null, null, 0)")).scalar_one()
    finish(provider)
    assert (chat.drain(), second_app.drain()) == (1, 0)
    assert runs(chat) == [("answer", "succeeded")]


def test_client_that_comes_back_to_a_dead_writer_reads_the_whole_answer(
    chat: ChatApp, second_app: ChatApp, cloud: Cloud, provider: FakeProvider, lost: TestResponse
) -> None:
    assert [message["role"] for message in second_app.messages("c1")] == ["user"], "it is being written"
    assert tickets(cloud) >= 1
    follower = BackgroundReader(resume(second_app))
    finish(provider)
    assert chat.drain() == 1
    assert text_of(follower.all()) == TEXT
    assert event_types(follower.all())[0] == "start"
    assert event_types(follower.all())[-2:] == ["finish", "[DONE]"]


def test_client_waits_for_the_last_transaction_of_a_dead_writer(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with ThreadPoolExecutor(1) as pool:
        with chat.database.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("select 1 from messages where state = 'streaming' for update"))
            following = pool.submit(lambda: BackgroundReader(resume(second_app)))
            wait_until(lambda: chat.rows(waiting))
        follower = following.result(60)
    finish(provider)
    assert chat.drain() == 1
    assert text_of(follower.all()) == TEXT


def test_client_with_events_of_the_dead_writer_gets_another_start(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    last = max(row[0] for row in chat.rows("select seq from message_events"))
    follower = BackgroundReader(resume(second_app, str(last)))
    finish(provider)
    chat.drain()
    events = follower.all()
    assert event_types(events)[0] == "start"
    assert events[0].id > message_log.MAX_EVENTS
    assert text_of(events) == TEXT


def test_disconnected_client_hands_its_answer_over(chat: ChatApp, cloud: Cloud, provider: FakeProvider) -> None:
    response = chat.post("c1", QUESTION)
    read_first_text(response)
    response.close()
    assert tickets(cloud) >= 1
    assert chat.rows("select count(*) from message_events") == [(0,)]
    finish(provider)
    assert chat.drain() == 1
    assert states(chat) == ["complete", "complete"]
    assert chat.messages("c1")[1]["parts"][-1]["text"] == TEXT


def test_reader_of_a_writer_that_dies_gets_its_end(chat: ChatApp, second_app: ChatApp, provider: FakeProvider) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    follower = BackgroundReader(resume(second_app))
    follower.until("text-delta")
    kill_writer(chat)
    assert event_types(follower.all())[-2:] == ["error", "[DONE]"]
    assert states(second_app) == ["complete", "interrupted"]
    finish(provider)
    assert chat.drain(watch=True) == 0


def test_frozen_writer_stops_when_another_takes_over(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    assert second_app.messages("c1")
    events = parse_events(b"".join(map(bytes, lost.response)))  # type: ignore[arg-type]
    assert event_types(events)[-2:] == ["error", "[DONE]"]
    assert "Open the conversation again" in events[-2].part["errorText"]
    finish(provider)
    assert second_app.drain() == 1
    assert second_app.messages("c1")[1]["parts"][-1]["text"] == TEXT


def test_reader_is_told_to_come_back_if_the_answer_begins_again(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    follower = BackgroundReader(resume(second_app))
    drained = threading.Thread(target=chat.drain)
    drained.start()
    follower.until("text-delta")
    # Another worker claims the step, as after an expired lease.
    chat.rows("update steps set state = 'ready', lease_until = null, lost = lost + 1 where state = 'running'")
    again = threading.Thread(target=second_app.drain)
    again.start()
    assert event_types(follower.all())[-2:] == ["error", "[DONE]"]
    finish(provider)
    drained.join(30)
    again.join(30)
    assert states(chat) == ["complete", "complete"]
    assert second_app.messages("c1")[1]["parts"][-1]["text"] == TEXT


def test_stopped_answer_is_not_written_anew(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    assert second_app.messages("c1")
    assert second_app.client.post("/api/chat/c1/stop").get_json() == {"stopped": True}
    requests = len(provider.requests)
    finish(provider)
    assert chat.drain() == 1, "the step finds nothing to write"
    assert len(provider.requests) == requests
    assert states(chat) == ["complete", "stopped"]
    assert runs(chat) == [("answer", "succeeded")]


def test_deleted_conversation_takes_its_runs_along(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    assert second_app.messages("c1")
    assert second_app.client.delete("/api/conversations/c1").status_code == 204
    finish(provider)
    assert chat.drain() == 0
    assert runs(chat) == []


def test_new_question_ends_an_answer_without_a_writer(
    chat: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    finish(provider)
    assert event_types(chat.ask("c1", "And without pip?", "m2"))[-2:] == ["finish", "[DONE]"]
    assert states(chat) == ["complete", "interrupted", "complete", "complete"]


def test_answer_is_written_anew_until_the_provider_answers(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    provider.error, provider.failures = {"message": "overloaded", "type": "overloaded_error"}, 100
    provider.status = 503
    finish(provider)
    attempts = second_app.drain(watch=True)
    assert attempts >= 1, "the pause after an attempt is random and may be over at once"
    assert chat.rows("select state, attempt from steps") == [("ready", attempts)]
    assert [message["role"] for message in chat.messages("c1")] == ["user"], "it is still being written"
    provider.status, provider.error = 200, None
    chat.rows("update steps set not_before = now()")
    assert second_app.drain() == 1
    assert states(chat) == ["complete", "complete"]


def test_answer_fails_with_the_reason_if_a_retry_cannot_help(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    provider.status, provider.error = 401, {"message": "invalid key", "type": "authentication_error"}
    finish(provider)
    assert second_app.drain(watch=True) == 1
    assert states(chat) == ["complete", "failed"]
    assert chat.messages("c1")[1]["metadata"]["notice"]
    assert chat.drain(watch=True) == 0


def test_step_that_kills_its_workers_ends_the_answer(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    assert second_app.messages("c1")
    chat.rows("update steps set lost = 5")
    finish(provider)
    assert second_app.drain() == 1
    assert states(chat) == ["complete", "failed"]
    assert runs(chat) == [("answer", "failed")]


def test_workspace_cannot_have_answers_of_another_written(
    chat: ChatApp, provider: FakeProvider, lost: TestResponse
) -> None:
    [(answer_id,)] = chat.rows("select id from messages where state = 'streaming'")
    other = message_log.AnswerKey(answer_id, "c1", answer_id)
    with chat.database.transaction(WORKSPACE) as tx:
        tx.execute(
            sa.text("select rewrite_lost_answers(:workspace_id, :id, 0)"), {"workspace_id": other.id, "id": other.id}
        )
    assert runs(chat) == []
    finish(provider)
