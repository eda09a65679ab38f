"""Answers on a real database: the streamed events, the stored messages, and failures."""

import json
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from functions.chat.answers.evidence import nothing_found
from functions.chat.answers.prompt import NO_PASSAGES
from functions.chat.conversations.questions import ask
from functions.chat.models.extractive import INTRODUCTION
from functions.chat.streams import message_log
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.streams.ui_message_stream import DONE, KEEP_ALIVE, Part, Start, TextDelta, TextStart
from functions.chat.streams.writer import Writer
from headwater.auth.callers import Caller
from scripts.local.postgres import Cluster
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, RunApp, event_types, parse_events, running_chat_app, text_of
from tests.harness.databases import FreshDatabase

GUIDE = "# Guide\n\nInstall the compass with pip on any system. The needle points north.\n"
WHOLE = ["start", "data-model", "source-document", "text-start", "text-delta", "text-end", "finish", "[DONE]"]

OTHER_QUESTION = "Who won the football championship?"


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace() as made:
        made.add_document("guide.md", GUIDE, title="Guide", headings=["Guide"])
        yield made


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


def language_model(provider: FakeProvider) -> dict[str, Any]:
    return {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}


@pytest.fixture
def model_chat(run_in_workspace: RunApp, provider: FakeProvider) -> Iterator[ChatApp]:
    """A chat app with the fake provider's language model."""
    with run_in_workspace(**language_model(provider)) as made:
        made.add_document("guide.md", GUIDE, title="Guide", headings=["Guide"])
        yield made


def test_answer_streams_all_parts_in_order_with_ids(chat: ChatApp) -> None:
    response = chat.post("c1", "How do I install the compass?")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Vercel-AI-UI-Message-Stream"] == "v1"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    events = parse_events(response.data)
    assert event_types(events) == WHOLE
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[1].part["data"] == {"name": "extractive", "configured": False}


def test_extractive_answer_quotes_and_cites_the_passage(chat: ChatApp) -> None:
    events = chat.ask("c1", "How do I install the compass?")
    assert text_of(events) == INTRODUCTION + "> Install the compass with pip on any system. [1]\n\n"
    source = events[2].part
    assert (source["sourceId"], source["title"], source["filename"]) == ("1", "Guide", "guide.md")
    passage = source["providerMetadata"]["headwater"]
    assert passage["text"] == GUIDE[passage["start"] : passage["end"]]
    assert passage["headingPath"] == ["Guide"]


def test_history_returns_the_streamed_answer(chat: ChatApp) -> None:
    events = chat.ask("c1", "How do I install the compass?")
    question, answer = chat.messages("c1")
    assert (question["role"], question["parts"][0]["text"]) == ("user", "How do I install the compass?")
    assert (answer["role"], answer["id"]) == ("assistant", events[0].part["messageId"])
    assert answer["metadata"]["state"] == "complete"
    [*parts, text] = answer["parts"]
    assert parts == [event.part for event in events if event.part in parts]
    assert text == {"type": "text", "text": text_of(events), "state": "done"}


def test_events_are_committed_before_they_are_sent(chat: ChatApp) -> None:
    response = chat.post("c1", "How do I install the compass?")
    for chunk in response.response:
        for event in parse_events(bytes(chunk)):  # type: ignore[arg-type]
            assert chat.rows("select 1 from message_events where seq = :seq", seq=event.id) == [(1,)]


def test_question_without_passages_gets_no_sources(chat: ChatApp) -> None:
    events = chat.ask("c1", OTHER_QUESTION)
    assert event_types(events) == ["data-declined" if kind == "source-document" else kind for kind in WHOLE]
    assert text_of(events) == nothing_found("documents", OTHER_QUESTION, is_filtered=False)
    assert f"> {OTHER_QUESTION}" in text_of(events), "it says what was looked for"


def test_language_model_is_not_called_without_passages(model_chat: ChatApp, provider: FakeProvider) -> None:
    events = model_chat.ask("c1", OTHER_QUESTION)
    assert text_of(events) == nothing_found("documents", OTHER_QUESTION, is_filtered=False)
    assert events[1].part["data"] == {"name": "openai:fake", "configured": True}
    assert provider.requests == []


def test_citations_are_filtered_across_token_boundaries(model_chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = ["Use pip [", "1", "], not conda [", "9].", " See `a[9]`", " [1, 7]"]
    events = model_chat.ask("c1", "How do I install the compass?")
    assert [kind for kind in event_types(events) if kind != "data-grounding"] == WHOLE
    assert text_of(events) == "Use pip [1], not conda. See `a[9]` [1]"
    assert GUIDE.strip() in provider.requests[0]["messages"][-1]["content"]


def test_follow_up_question_includes_the_conversation(model_chat: ChatApp, provider: FakeProvider) -> None:
    model_chat.ask("c1", "How do I install the compass?", "m1")
    events = model_chat.ask("c1", "And why is that?", "m2")
    assert event_types(events) == WHOLE  # the search includes the previous question
    roles = [(m["role"], m["content"][:30]) for m in provider.requests[-1]["messages"]]
    assert roles[1:3] == [("user", "How do I install the compass?"), ("assistant", "Yes.")]
    assert provider.requests[-1]["messages"][-1]["content"].endswith("Question: And why is that?")


@pytest.mark.parametrize(
    "message",
    ["Thanks!", "Are you sure?", "Summarise your answer in one sentence.", "Kannst du das genauer erklären?", "谢谢"],
)
def test_message_about_the_answer_goes_to_the_model(model_chat: ChatApp, provider: FakeProvider, message: str) -> None:
    model_chat.ask("c1", "How do I install the compass?", "m1")
    events = model_chat.ask("c1", message, "m2")
    assert event_types(events) == [kind for kind in WHOLE if kind != "source-document"]
    assert len(provider.requests) == 2  # a model isn't needed to see that nothing has to be searched for
    sent = [turn["content"] for turn in provider.requests[1]["messages"]]
    assert sent[1:3] == ["How do I install the compass?", "Yes."]
    assert NO_PASSAGES in sent[3]
    assert sent[3].endswith(f"Question: {message}")


def test_message_about_a_declined_answer_goes_to_the_model(model_chat: ChatApp, provider: FakeProvider) -> None:
    model_chat.ask("c1", "Who won the football championship?", "m1")
    provider.pieces = ["You are welcome [1]."]
    events = model_chat.ask("c1", "Thanks anyway!", "m2")
    assert text_of(events) == "You are welcome."
    assert NO_PASSAGES in provider.requests[0]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "OPENAI_API_KEY"), (429, "Try again in a minute"), (500, "Try again in a few minutes")]
)
def test_provider_error_ends_the_answer_as_failed(
    model_chat: ChatApp, provider: FakeProvider, status: int, advice: str
) -> None:
    provider.status = status
    events = model_chat.ask("c1", "How do I install the compass?")
    assert event_types(events) == ["start", "data-model", "source-document", "error", "[DONE]"]
    assert advice in events[-2].part["errorText"]
    assert model_chat.messages("c1")[1]["metadata"]["state"] == "failed"


@pytest.mark.parametrize("ends", ["early", "broken"])
def test_text_before_a_broken_stream_is_kept(model_chat: ChatApp, provider: FakeProvider, ends: str) -> None:
    provider.ends = ends
    events = model_chat.ask("c1", "How do I install the compass?")
    assert event_types(events)[-5:] == ["text-start", "text-delta", "text-end", "error", "[DONE]"]
    answer = model_chat.messages("c1")[1]
    assert answer["metadata"]["state"] == "failed"
    assert answer["parts"][-1]["text"] == text_of(events) == "Yes [1]."


def test_empty_answer_is_an_error(model_chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = []
    events = model_chat.ask("c1", "How do I install the compass?")
    assert event_types(events)[-2:] == ["error", "[DONE]"]


def test_unstorable_characters_are_removed(model_chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = ["a\0b", "\ud83d", "c [1]"]
    events = model_chat.ask("c1", "How do I install the compass?")
    assert (event_types(events), text_of(events)) == (WHOLE, "abc [1]")


def test_missing_api_key_is_reported_before_storing_anything(database: FreshDatabase) -> None:
    with running_chat_app(database, chat_model="groq:llama") as chat:
        response = chat.post("c1", "How?")
        assert response.status_code == 500
        assert "GROQ_API_KEY" in response.get_json()["detail"]
        assert chat.client.get("/api/conversations").get_json()["conversations"] == []


def test_silent_model_produces_keep_alives(chat: ChatApp) -> None:
    writer = Writer(
        GroupCommit(chat.database), begin_answer(chat), request_id="r", lifetime=chat.lifetime, keep_alive_s=0.0
    )

    def parts() -> Generator[list[Part], None, None]:
        yield [Start("m")]
        yield []
        yield []
        yield [TextStart(), TextDelta(delta="x")]

    written = list(writer.write(parts()))
    assert written[1:3] == [KEEP_ALIVE, KEEP_ALIVE]
    assert event_types(parse_events(b"".join(written))) == [
        "start",
        "text-start",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ]


def begin_answer(chat: ChatApp, conversation_id: str = "c1") -> message_log.AnswerKey:
    """Start an answer without a writer."""
    with chat.database.transaction(chat.workspace_id) as tx:
        return ask(
            tx, Caller(chat.workspace_id, "local", "owner"), conversation_id, "m1", "How do I install the compass?"
        )[0]


def test_concurrent_question_in_a_conversation_is_409(model_chat: ChatApp, provider: FakeProvider) -> None:
    provider.wait = threading.Event()
    first = model_chat.post("c1", "How do I install the compass?", "m1")
    second = model_chat.post("c1", "And now?", "m2")
    assert second.status_code == 409
    assert "or stop it" in second.get_json()["detail"]
    assert model_chat.post("c2", "And now?", "m2").status_code == 200  # other conversations are not affected
    provider.wait.set()
    assert event_types(parse_events(first.data)) == WHOLE
    assert [message["role"] for message in model_chat.messages("c1")] == ["user", "assistant"]


def test_disconnected_client_leaves_an_interrupted_answer(model_chat: ChatApp, provider: FakeProvider) -> None:
    provider.wait = threading.Event()
    response = model_chat.post("c1", "How do I install the compass?")
    assert isinstance(next(iter(response.response)), bytes)
    response.close()
    provider.wait.set()
    answer = model_chat.messages("c1")[1]
    assert answer["metadata"]["state"] == "interrupted"
    assert answer["parts"][0]["type"] == "data-model"
    assert event_types(model_chat.ask("c1", "How do I install the compass?", "m2"))[0] == "start"


def test_repeated_question_ends_the_current_path(chat: ChatApp) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    chat.ask("c1", "Where does the needle point?", "m2")
    chat.ask("c1", "How do I install the compass?", "m1", trigger="regenerate-message", messageId="x")
    question, _ = chat.messages("c1")
    assert question["parts"][0]["text"] == "How do I install the compass?"
    chat.ask("c1", "Where does the needle point?", question["id"])  # edited, with the id of the server
    edited, _ = chat.messages("c1")
    assert edited["parts"][0]["text"] == "Where does the needle point?"


def test_message_of_another_conversation_cannot_be_replaced(chat: ChatApp) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    theirs = chat.messages("c1")
    chat.ask("c2", "Where does the needle point?", theirs[0]["id"])
    chat.ask("c2", "Where does the needle point?", theirs[1]["id"])
    assert chat.messages("c1") == theirs


def test_conversations_are_listed_by_last_question_and_deleted(chat: ChatApp) -> None:
    for conversation_id in ("c1", "c2"):
        chat.ask(conversation_id, f"How do I install the compass in {conversation_id}?")
    chat.ask("c1", "Where does the needle point?", "m2")
    listed = chat.client.get("/api/conversations").get_json()["conversations"]
    assert [(c["id"], c["title"]) for c in listed] == [
        ("c1", "How do I install the compass in c1?"),
        ("c2", "How do I install the compass in c2?"),
    ]
    assert listed[0]["updated_at"] > listed[0]["created_at"]
    assert chat.client.delete("/api/conversations/c1").status_code == 204
    assert chat.client.delete("/api/conversations/c1").status_code == 404
    assert chat.client.get("/api/conversations/c1").status_code == 404
    assert chat.rows("select count(*) from message_events") == chat.rows(
        "select count(*) from message_events e join messages m on m.id = e.message_id where conversation_id = 'c2'"
    )


def test_conversations_are_read_in_pages(chat: ChatApp) -> None:
    names = [f"c{n}" for n in range(7)]
    for name in names:
        chat.ask(name, "Who won the football championship?")
    chat.rows("update conversations set updated_at = '2026-01-01' where id in ('c1', 'c2', 'c3')")  # the same moment
    listed: list[str] = []
    after: str | None = ""
    while after is not None:
        page = chat.client.get("/api/conversations", query_string={"limit": 2, "after": after}).get_json()
        listed += [one["id"] for one in page["conversations"]]
        after = page["next"]
    assert listed == ["c6", "c5", "c4", "c0", "c1", "c2", "c3"]
    assert chat.client.get("/api/conversations").get_json()["next"] is None
    invalid = chat.client.get("/api/conversations?after=yesterday")
    assert invalid.status_code == 422
    assert "after" in invalid.get_json()["detail"]


def test_conversations_of_other_workspaces_are_not_found(chat: ChatApp, run_in_workspace: RunApp) -> None:
    chat.ask("c1", "How do I install the compass?")
    with run_in_workspace() as other:
        assert other.client.get("/api/conversations").get_json()["conversations"] == []
        assert other.client.get("/api/conversations/c1").status_code == 404
        assert other.client.get("/api/chat/c1/stream").status_code == 204
        assert other.client.post("/api/chat/c1/stop").status_code == 404
        other.ask("c1", "A conversation of the same name?")
    assert len(chat.messages("c1")) == 2


@pytest.mark.direct
def test_lost_database_ends_the_stream_with_an_error(
    provider: FakeProvider, database: FreshDatabase, postgres: Cluster
) -> None:
    provider.wait = threading.Event()
    with running_chat_app(database, **language_model(provider)) as chat:
        chat.add_document("guide.md", GUIDE, title="Guide", headings=["Guide"])
        response = chat.post("c1", "How do I install the compass?")
        chunks = iter(response.response)
        next(chunks)
        postgres.execute(
            f"alter database {database.name} allow_connections false",
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database.name}'",
        )
        provider.wait.set()
        events = parse_events(b"".join(bytes(chunk) for chunk in chunks))  # type: ignore[arg-type]
        assert event_types(events)[-2:] == ["error", "[DONE]"]
        postgres.execute(f"alter database {database.name} allow_connections true")
        assert len(chat.messages("c1")) == 1  # the answer stays open until its lease expires


def test_events_of_earlier_answers_are_deleted(chat: ChatApp) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    events = chat.ask("c1", "Where does the needle point?", "m2")
    assert chat.rows("select count(*) from message_events") == [(len(events),)]


def test_message_log_contains_the_sent_events(chat: ChatApp) -> None:
    sent = chat.ask("c1", "How do I install the compass?")
    with chat.database.transaction(chat.workspace_id) as tx:
        answer, is_open = message_log.find_last(tx, chat.workspace_id, "c1")
        assert answer is not None
        logged = message_log.read(tx, answer)
    assert not is_open
    assert [event.seq for event in logged] == [event.id for event in sent if event.id]
    parts = [event.part for event in sent if event.id]
    assert [json.loads(event.data) for event in logged[:-1]] == parts[:-1]
    assert logged[-1].data == parts[-1] == DONE
