"""Ask agents in tests, and read what became of it."""

from typing import Any

from werkzeug.test import TestResponse

from tests.fakes.agent_provider import ToolCall
from tests.harness.chat_app import ChatApp, StreamEvent, parse_events
from tests.integration.chat.streams.test_resume import BackgroundReader

QUESTION = "How do I install the compass?"
SEARCH = ToolCall("search_knowledge", {"query": QUESTION})


readers: list[BackgroundReader] = []
"""Those of the running test: they must end before its database is closed."""


def ask(chat: ChatApp, text: str = QUESTION, *, message_id: str = "m1", **body: Any) -> BackgroundReader:
    """Ask an agent. Its steps run when the queue is drained."""
    reader = BackgroundReader(chat.post("c1", text, message_id, mode="agent", **body))
    readers.append(reader)
    reader.until("data-model")
    return reader


def logged_events(chat: ChatApp) -> list[StreamEvent]:
    """Return the events of the last answer, which a client that comes back gets."""
    rows = chat.rows("select seq, data from message_events order by seq")
    return parse_events("".join(f"id: {seq}\ndata: {data}\n\n" for seq, data in rows).encode())


def answer_of(chat: ChatApp) -> dict[str, Any]:
    return chat.messages("c1")[-1]


def tool_parts(chat: ChatApp) -> list[dict[str, Any]]:
    return [part for part in answer_of(chat)["parts"] if part["type"] == "dynamic-tool"]


def assert_nothing_is_open(chat: ChatApp) -> None:
    assert chat.rows("select count(*) from agents") == [(0,)]
    assert chat.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
    assert chat.rows("select count(*) from runs where state = 'running'") == [(0,)]


def close_readers() -> None:
    """Wait until all have read to the end."""
    while readers:
        readers.pop().all()


def approval(call_id: str, *, approved: bool = True, reason: str = "", **fields: Any) -> dict[str, Any]:
    """Return the part of a call that a client has approved or rejected, as the AI SDK posts it."""
    responded = {"id": call_id, "approved": approved, **({"reason": reason} if reason else {})}
    return {
        "type": "dynamic-tool",
        "toolCallId": call_id,
        "state": "approval-responded",
        "approval": responded,
        **fields,
    }


def reply(call_id: str, text: Any) -> dict[str, Any]:
    """Return the part of a question that a client has answered, as the AI SDK posts it."""
    return {
        "type": "dynamic-tool",
        "toolName": "ask_user",
        "toolCallId": call_id,
        "state": "output-available",
        "output": text,
    }


def post_response(chat: ChatApp, *parts: dict[str, Any]) -> TestResponse:
    """Post responses to calls of the last answer."""
    message = {"id": "", "role": "assistant", "parts": list(parts)}
    return chat.client.post("/api/chat", json={"id": "c1", "messages": [message]})


def respond(chat: ChatApp, *parts: dict[str, Any]) -> BackgroundReader:
    """Post responses, and read what follows. The agent goes on when the queue is drained."""
    reader = BackgroundReader(post_response(chat, *parts))
    readers.append(reader)
    return reader
