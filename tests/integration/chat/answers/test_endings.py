"""Every way in which a provider's stream can end: what is streamed, what is stored, and what the user is told.

The streams and stored messages are recorded in tests/data/answer-endings.json, from which the web app's tests read them
with the AI SDK and show them. After a change of the streams, run this file with RECORD_ENDINGS=1.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, StreamEvent, event_types, running_chat_app, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT

RECORDED = ROOT / "tests" / "data" / "answer-endings.json"
QUESTION = "How do I install the compass?"
WORDS = ["Install ", "it ", "with pip [1]."]
TEXT = "".join(WORDS)


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def chats(module_database: FreshDatabase, provider: FakeProvider) -> Iterator[dict[str, ChatApp]]:
    urls = {"openai_base_url": f"{provider.url}/v1", "anthropic_base_url": provider.url}
    keys = {"openai_api_key": "key", "anthropic_api_key": "key"}
    with (
        running_chat_app(module_database, chat_model="openai:fake", **urls, **keys) as openai,
        running_chat_app(module_database, chat_model="anthropic:fake", **urls, **keys) as anthropic,
    ):
        openai.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield {"openai": openai, "anthropic": anthropic}


Row = tuple[str, dict[str, Any], str, str, str]

ENDINGS: dict[str, Row] = {
    # name: (provider, its answer, state, text, words of the notice)
    "complete": ("openai", {}, "complete", TEXT, ""),
    "complete, Anthropic": ("anthropic", {}, "complete", TEXT, ""),
    "complete, stop sequence": ("anthropic", {"finish": "stop_sequence"}, "complete", TEXT, ""),
    "complete, unknown reason": ("openai", {"finish": "eos"}, "complete", TEXT, ""),
    "complete, no reason": ("openai", {"ends": "done"}, "complete", TEXT, ""),
    "length": ("openai", {"finish": "length"}, "cut", TEXT, "length limit"),
    "length, Anthropic": ("anthropic", {"finish": "max_tokens"}, "cut", TEXT, "length limit"),
    "context window": ("anthropic", {"finish": "model_context_window_exceeded"}, "cut", TEXT, "length limit"),
    "content filter": ("openai", {"finish": "content_filter"}, "cut", TEXT, "content filter"),
    "refusal": ("anthropic", {"finish": "refusal"}, "cut", TEXT, "content filter"),
    "pause": ("anthropic", {"finish": "pause_turn"}, "cut", TEXT, "stopped before"),
    "error as reason": ("openai", {"finish": "error"}, "failed", TEXT, "OpenAI ended the connection"),
    "closed early": ("openai", {"ends": "early"}, "failed", TEXT, "OpenAI ended the connection"),
    "closed early, Anthropic": ("anthropic", {"ends": "early"}, "failed", TEXT, "Anthropic ended the connection"),
    "connection cut": ("openai", {"ends": "broken"}, "failed", TEXT, "connection to OpenAI failed"),
    "nothing": ("openai", {"pieces": []}, "failed", "", "empty answer"),
    "blank": ("openai", {"pieces": [" ", "\n", " "]}, "failed", "", "empty answer"),
    "blank, length": ("openai", {"pieces": ["\n"], "finish": "length"}, "failed", "", "length limit"),
    "filter before the text": ("openai", {"pieces": [], "finish": "content_filter"}, "failed", "", "refused to answer"),
    "refusal before the text": ("anthropic", {"pieces": [], "finish": "refusal"}, "failed", "", "refused to answer"),
    "thoughts, then text": ("openai", {"pieces": ["<thi", "nk>Pip [2]?</think>\n", *WORDS]}, "complete", TEXT, ""),
    "thoughts only": ("openai", {"pieces": ["<think>Pip?"], "finish": "length"}, "failed", "", "length limit"),
    "thoughts without text": ("openai", {"pieces": ["<think>Pip?</think>"]}, "failed", "", "empty answer"),
    "overloaded in the text": (
        "anthropic",
        {"error": {"type": "overloaded_error", "message": "Overloaded"}},
        "failed",
        TEXT,
        "Anthropic is overloaded",
    ),
    "overloaded before the text, twice": (
        "anthropic",
        {"pieces": [], "error": {"type": "overloaded_error", "message": "Overloaded"}},
        "failed",
        "",
        "Anthropic is overloaded",
    ),
    "error in the stream": ("openai", {"error": {"message": "died", "code": 502}}, "failed", TEXT, "HTTP 502"),
    "quota in the stream": (
        "openai",
        {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}},
        "failed",
        TEXT,
        "no credit left",
    ),
    "rate limit in the stream": (
        "openai",
        {"error": {"type": "rate_limit_exceeded", "message": "slow"}},
        "failed",
        TEXT,
        "rate limit",
    ),
    "JSON instead of a stream": ("openai", {"body": {"answer": 42}}, "failed", "", "can't be read"),
    "an error with status 200": (
        "openai",
        {"body": {"error": {"message": "model not loaded", "code": 500}}},
        "failed",
        "",
        "can't be read",
    ),
    "no credit": ("openai", {"status": 402}, "failed", "", "no credit left"),
    "no credit, Anthropic": (
        "anthropic",
        {"status": 400, "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
        "failed",
        "",
        "no credit left",
    ),
    "too long": (
        "openai",
        {"status": 400, "error": {"code": "context_length_exceeded", "message": "maximum context length is 8192"}},
        "failed",
        "",
        "too long for the model",
    ),
    "too long, Anthropic": (
        "anthropic",
        {"status": 400, "error": {"type": "invalid_request_error", "message": "prompt is too long: 300000 tokens"}},
        "failed",
        "",
        "too long for the model",
    ),
    "payload too large": ("anthropic", {"status": 413}, "failed", "", "too long for the model"),
    "invalid request": ("openai", {"status": 422}, "failed", "", "HTTP 422"),
    "unknown model or URL": ("openai", {"status": 404}, "failed", "", "OPENAI_BASE_URL"),
    "invalid key": ("openai", {"status": 401}, "failed", "", "OPENAI_API_KEY"),
    "rate limit": ("openai", {"status": 429}, "failed", "", "rate limit"),
    "server error": ("openai", {"status": 500}, "failed", "", "HTTP 500"),
    "overloaded": ("anthropic", {"status": 529}, "failed", "", "overloaded"),
}

FINISH_REASONS = {"length limit": "length", "content filter": "content-filter", "stopped before": "other"}


@pytest.mark.parametrize("name", ENDINGS)
def test_ending_is_streamed_and_stored(name: str, chats: dict[str, ChatApp], provider: FakeProvider) -> None:
    api, answer, state, text, words = ENDINGS[name]
    provider.__init__(**({"url": provider.url, "pieces": list(WORDS)} | answer))  # type: ignore[misc]
    conversation_id = name.replace(" ", "-").replace(",", "").replace("'", "")
    events = chats[api].ask(conversation_id, QUESTION)

    last, done = events[-2:]
    assert done.part == "[DONE]"
    assert text_of(events) == text
    ends: dict[str, dict[str, Any]] = {
        "complete": {"type": "finish", "finishReason": "stop"},
        "cut": {"type": "finish", "finishReason": FINISH_REASONS.get(words)},
        "failed": {"type": "error"},
    }
    assert ends[state].items() <= last.part.items()
    notice = last.part.get("errorText") or last.part.get("messageMetadata", {}).get("notice")
    assert words in (notice or "")
    assert "secret words" not in (notice or "")

    _, stored = chats[api].messages(conversation_id)
    assert stored["metadata"]["state"] == state
    assert stored["metadata"]["notice"] == notice
    assert "".join(part["text"] for part in stored["parts"] if part["type"] == "text") == text

    recorded = json.loads(RECORDED.read_text())
    row = normalise({"state": state, "text": text, "parts": merge_deltas(events), "stored": stored})
    if os.environ.get("RECORD_ENDINGS"):
        recorded[name] = row
        RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    assert recorded[name] == row


def test_recorded_endings_are_those_of_the_table() -> None:
    assert list(json.loads(RECORDED.read_text())) == list(ENDINGS)


def merge_deltas(events: Sequence[StreamEvent]) -> list[Any]:
    """Return the parts of a stream, with consecutive deltas as one, and without those that tell a silence.

    How a text is split, and how long the model is silent, depends on time.
    """
    parts: list[Any] = []
    told = (event.part for event in events if event_types([event]))
    for kind, group in groupby(told, lambda part: part != "[DONE]" and part["type"]):
        same = list(group)
        if str(kind).endswith("-delta"):
            same = [same[0] | {"delta": "".join(part["delta"] for part in same)}]
        parts += same
    return parts


def normalise(row: Any) -> Any:
    """Replace what differs between two runs: ids, in the order in which they appear, and times."""
    ids: dict[str, str] = {}
    text = re.sub(
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda match: ids.setdefault(match[0], f"id-{len(ids) + 1}"),
        json.dumps(row),
    )
    return json.loads(re.sub(r'"createdAt": "[^"]+"', '"createdAt": "2026-01-01T00:00:00Z"', text))


def test_thoughts_are_streamed_and_stored_but_not_sent_back(chats: dict[str, ChatApp], provider: FakeProvider) -> None:
    provider.__init__(url=provider.url, pieces=["<think>Is it [1]?", " Yes.</think>", "With pip [1]."])  # type: ignore[misc]
    events = chats["openai"].ask("thoughts", QUESTION)
    thoughts, text = ([f"{kind}-start", f"{kind}-delta", f"{kind}-end"] for kind in ("reasoning", "text"))
    assert event_types(events)[-8:-1] == [*thoughts, *text, "finish"]
    _, stored = chats["openai"].messages("thoughts")
    [thought] = [part for part in stored["parts"] if part["type"] == "reasoning"]
    assert thought["text"] == "Is it [1]? Yes."
    chats["openai"].ask("thoughts", "And how is the compass updated?", "m2")
    assert "Is it" not in str(provider.requests[-1])
    assert "With pip" in str(provider.requests[-1])


def test_temporary_error_before_the_text_is_retried(chats: dict[str, ChatApp], provider: FakeProvider) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    provider.__init__(url=provider.url, pieces=[], error=error, failures=1)  # type: ignore[misc]
    provider.pieces = []
    events = chats["anthropic"].ask("retried", QUESTION)
    assert len(provider.requests) == 2
    assert "empty answer" in events[-2].part["errorText"]
