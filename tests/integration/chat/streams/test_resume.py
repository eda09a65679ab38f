"""Resuming an answer on any instance: replay, continuation, stop, and dead writers."""

import json
import threading
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from functions.chat.streams import message_log
from functions.chat.streams.message_log import SHUT_DOWN
from functions.chat.streams.replay import POLL_S, Replayer
from functions.chat.streams.ui_message_stream import DONE, KEEP_ALIVE, encode
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import (
    ChatApp,
    RunApp,
    StreamEvent,
    event_types,
    parse_events,
    text_of,
)
from tests.harness.support import WORKSPACE, unopened_database

QUESTION = "How do I install the compass?"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A model that sends one word, and the rest once `wait` is set."""
    with fake_provider() as provider:
        provider.pieces = ["Hello ", "world [1]."]
        provider.wait, provider.wait_after = threading.Event(), 1
        yield provider


@pytest.fixture
def chat(run_in_workspace: RunApp, provider: FakeProvider) -> Iterator[ChatApp]:
    with run_in_workspace(chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


@pytest.fixture
def second_app(chat: ChatApp, run_in_workspace: RunApp) -> Iterator[ChatApp]:
    """Another instance of the same function."""
    with run_in_workspace(chat.workspace_id) as other:
        yield other


class BackgroundReader:
    """Reads a response on a thread."""

    def __init__(self, response: TestResponse) -> None:
        assert response.status_code == 200, response.data
        self.stream = b""
        self._response = response
        self._thread = threading.Thread(target=self._read)
        self._grew = threading.Condition()
        self._thread.start()

    def _read(self) -> None:
        for chunk in self._response.response:
            with self._grew:
                self.stream += bytes(chunk)  # type: ignore[arg-type]
                self._grew.notify_all()

    def until(self, part: str) -> list[StreamEvent]:
        """Wait for an event of this type."""
        with self._grew:
            assert self._grew.wait_for(lambda: part in event_types(parse_events(self.stream)), 120), self.stream
        return parse_events(self.stream)

    def all(self) -> list[StreamEvent]:
        """Wait for the end and return all events."""
        self._thread.join(120)
        assert not self._thread.is_alive(), self.stream
        return parse_events(self.stream)


def resume(chat: ChatApp, last_event_id: str | None = None) -> TestResponse:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    return chat.client.get("/api/chat/c1/stream", headers=headers)


def finish(provider: FakeProvider) -> None:
    assert provider.wait
    provider.wait.set()


def kill_writer(chat: ChatApp) -> None:
    """Expire the lease of the running answer."""
    chat.rows("update messages set alive_until = now() - interval '1 second' where state = 'streaming'")


def test_answer_is_replayed_and_followed_on_another_instance(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider
) -> None:
    first = BackgroundReader(chat.post("c1", QUESTION))
    first.until("text-delta")
    second = BackgroundReader(resume(second_app))
    assert text_of(second.until("text-delta")) == "Hello"
    finish(provider)
    assert second.all() == first.all()
    assert text_of(second.all()) == "Hello world [1]."
    assert event_types(second.all())[-2:] == ["finish", "[DONE]"]


def test_replay_continues_after_last_event_id(chat: ChatApp, second_app: ChatApp, provider: FakeProvider) -> None:
    first = BackgroundReader(chat.post("c1", QUESTION))
    seen = first.until("text-delta")
    second = BackgroundReader(resume(second_app, str(seen[1].id)))
    finish(provider)
    assert second.all() == first.all()[2:]


def test_missed_end_is_replayed_after_the_answer_is_complete(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider
) -> None:
    finish(provider)
    events = chat.ask("c1", QUESTION)
    assert parse_events(resume(second_app, "3").data) == events[3:]
    assert resume(second_app, str(len(events))).status_code == 204
    assert resume(second_app).status_code == 204


def test_resume_without_an_open_answer_is_204(chat: ChatApp, provider: FakeProvider) -> None:
    assert resume(chat).status_code == 204  # unknown conversation
    finish(provider)
    chat.ask("c1", QUESTION)
    assert resume(chat).status_code == 204


def test_first_events_are_stored_with_the_question(chat: ChatApp, provider: FakeProvider) -> None:
    """In its transaction: no other one comes before the search."""
    finish(provider)
    events = chat.ask("c1", QUESTION)
    stored = chat.rows("select e.seq from message_events e join messages q on q.xmin = e.xmin and q.role = 'user'")
    assert sorted(n for (n,) in stored) == [1, 2]
    assert event_types(events[:2]) == ["start", "data-model"]


@pytest.mark.parametrize("odd", ["", "x", "-1", "1.5", "9" * 40, "\u00b2", "40", "999999999"])
def test_invalid_last_event_id_replays_from_the_start(chat: ChatApp, provider: FakeProvider, odd: str) -> None:
    first = BackgroundReader(chat.post("c1", QUESTION))
    first.until("text-delta")
    again = BackgroundReader(resume(chat, odd))
    finish(provider)
    assert again.all() == first.all()


def test_stop_ends_all_streams_and_keeps_the_text(chat: ChatApp, second_app: ChatApp, provider: FakeProvider) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    follower = BackgroundReader(resume(second_app))
    response = second_app.client.post("/api/chat/c1/stop")
    assert (response.status_code, response.get_json()) == (202, {"stopped": True})
    # The writer notices although the model is silent.
    assert event_types(writer.all())[-4:] == ["text-delta", "text-end", "abort", "[DONE]"]
    assert follower.all() == writer.all()
    answer = chat.messages("c1")[1]
    assert (answer["metadata"]["state"], answer["parts"][-1]["text"]) == ("stopped", "Hello")
    finish(provider)
    assert event_types(chat.ask("c1", QUESTION, "m2"))[-2:] == ["finish", "[DONE]"]


def test_stop_after_the_end_changes_nothing(chat: ChatApp, provider: FakeProvider) -> None:
    finish(provider)
    assert chat.client.post("/api/chat/c1/stop").status_code == 404
    chat.ask("c1", QUESTION)
    response = chat.client.post("/api/chat/c1/stop")
    assert (response.status_code, response.get_json()) == (202, {"stopped": False})
    assert chat.messages("c1")[1]["metadata"]["state"] == "complete"


def test_follower_interrupts_the_answer_of_a_dead_writer(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider
) -> None:
    writer = chat.post("c1", QUESTION)  # the client stops reading, which blocks the writer
    kill_writer(chat)
    events = parse_events(resume(second_app).data)
    assert event_types(events)[-2:] == ["error", "[DONE]"]
    assert "Ask again" in events[-2].part["errorText"]
    assert second_app.messages("c1")[1]["metadata"]["state"] == "interrupted"
    # If the writer continues, it reports the same end as the followers.
    finish(provider)
    assert parse_events(writer.data) == events


def test_answer_that_outlasts_its_process_is_interrupted(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider
) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    chat.lifetime.end(finish_s=0.0)
    # The writer notices although the model is silent.
    assert event_types(writer.all())[-4:] == ["text-delta", "text-end", "error", "[DONE]"]
    assert "Ask again" in writer.all()[-2].part["errorText"]
    answer = second_app.messages("c1")[1]
    assert (answer["metadata"]["state"], answer["parts"][-1]["text"]) == ("interrupted", "Hello")
    finish(provider)
    assert event_types(second_app.ask("c1", QUESTION, trigger="regenerate-message"))[-2:] == ["finish", "[DONE]"]
    assert [message["metadata"]["state"] for message in second_app.messages("c1")] == ["complete", "complete"]


def test_answer_can_finish_while_its_process_ends(chat: ChatApp, provider: FakeProvider) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    chat.lifetime.end()
    finish(provider)
    assert event_types(writer.all())[-2:] == ["finish", "[DONE]"]


def test_follower_can_continue_on_another_instance(chat: ChatApp, second_app: ChatApp, provider: FakeProvider) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    follower = BackgroundReader(resume(second_app))
    seen = [event for event in follower.until("text-delta") if event.id]
    second_app.lifetime.end(finish_s=0.0)
    told = follower.all()[len(seen) :]
    assert [(event.id, event.part) for event in told] == [(0, json.loads(encode(SHUT_DOWN))), (0, DONE)]
    finish(provider)
    rest = BackgroundReader(resume(chat, str(seen[-1].id)))
    assert seen + rest.all() == writer.all()


def test_dead_writer_does_not_block_the_conversation(
    chat: ChatApp, second_app: ChatApp, provider: FakeProvider
) -> None:
    chat.post("c1", QUESTION)
    kill_writer(chat)
    finish(provider)
    with chat.database.transaction(chat.workspace_id) as tx:
        assert message_log.find_running(tx, chat.workspace_id, "c1") is None
    assert event_types(chat.ask("c1", QUESTION, "m2"))[-1] == "[DONE]"
    states = [message["metadata"]["state"] for message in second_app.messages("c1")]
    assert states == ["complete", "interrupted", "complete", "complete"]


def test_unfinished_answer_is_not_among_the_messages(chat: ChatApp, provider: FakeProvider) -> None:
    reading = BackgroundReader(chat.post("c1", QUESTION))
    reading.until("text-delta")
    assert [message["role"] for message in chat.messages("c1")] == ["user"]
    finish(provider)
    reading.all()
    assert [message["role"] for message in chat.messages("c1")] == ["user", "assistant"]


def test_deleting_a_conversation_ends_its_streams(chat: ChatApp, second_app: ChatApp, provider: FakeProvider) -> None:
    writer = BackgroundReader(chat.post("c1", QUESTION))
    writer.until("text-delta")
    follower = BackgroundReader(resume(second_app))
    follower.until("text-delta")
    assert second_app.client.delete("/api/conversations/c1").status_code == 204
    assert event_types(writer.all())[-2:] == event_types(follower.all())[-2:] == ["abort", "[DONE]"]
    assert chat.rows("select count(*) from message_events") == [(0,)]


def test_follower_receives_keep_alives(chat: ChatApp, provider: FakeProvider) -> None:
    reading = BackgroundReader(chat.post("c1", QUESTION))
    reading.until("text-delta")
    with chat.database.transaction(chat.workspace_id) as tx:
        answer, _ = message_log.find_last(tx, chat.workspace_id, "c1")
    assert answer
    replayer = Replayer(chat.database, chat.lifetime, keep_alive_s=0.0)
    following = replayer.replay(answer, after=0, request_id="r")
    assert parse_events(next(following))
    assert next(following) == KEEP_ALIVE
    finish(provider)
    assert parse_events(b"".join(following))[-1].part == DONE


def test_many_followers_poll_less_often(chat: ChatApp, provider: FakeProvider) -> None:
    reading = BackgroundReader(chat.post("c1", QUESTION))
    reading.until("text-delta")
    with chat.database.transaction(chat.workspace_id) as tx:
        answer, _ = message_log.find_last(tx, chat.workspace_id, "c1")
    assert answer
    replayer = Replayer(chat.database, chat.lifetime)
    followers = [replayer.replay(answer, after=0, request_id="r") for _ in range(50)]
    assert all(map(next, followers))
    assert replayer.poll_s == 0.5
    finish(provider)
    for follower in followers:
        b"".join(follower)
    assert replayer.poll_s == POLL_S


def test_follower_reports_a_lost_database(chat: ChatApp) -> None:
    answer = message_log.AnswerKey(WORKSPACE, "c1", WORKSPACE)
    following = Replayer(unopened_database(), chat.lifetime).replay(answer, after=4, request_id="r")
    events = parse_events(b"".join(following))
    assert [event.id for event in events] == [0, 0]
    assert events[0].part["type"] == "error"
    assert events[0].part["errorText"] == "The database can't be reached. Try again in a moment."
