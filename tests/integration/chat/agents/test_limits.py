"""Limits of an agent: each has a clear end."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall
from tests.harness.agents import answer_of, ask, assert_nothing_is_open
from tests.harness.chat_app import ChatApp, event_types, second_instance, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings


@pytest.fixture
def limited(
    chat: ChatApp, cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider, request: pytest.FixtureRequest
) -> Iterator[ChatApp]:
    """An instance with other limits."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with second_instance(database, **changes, **request.param) as made:
        yield made


def conclude(messages: list[dict[str, Any]]) -> Any:
    """Call tools until told to answer."""
    if "This is your last turn" in str(messages[-1]["content"]):
        return "What I found so far."
    return [ToolCall("list_documents", {})]


@pytest.mark.parametrize(
    ("limited", "says", "turns"),
    [
        ({"agent_steps": 4}, "4 steps (AGENT_STEPS)", 4),
        ({"agent_tokens": 2_500}, "2,500 tokens (AGENT_TOKENS)", 4),
        ({"agent_seconds": 0.0}, "0 s (AGENT_SECONDS)", 1),
        ({"agent_cost": 0.0}, "$0 (AGENT_COST)", 1),
    ],
    indirect=["limited"],
    ids=["steps", "tokens", "seconds", "cost"],
)
def test_agent_concludes_at_a_limit(limited: ChatApp, provider: ScriptedProvider, says: str, turns: int) -> None:
    provider.script = conclude
    reader = ask(limited)
    limited.drain()
    events = reader.all()
    assert text_of(events) == "What I found so far."
    assert answer_of(limited)["metadata"]["state"] == "cut"
    assert says in answer_of(limited)["metadata"]["notice"]
    assert len(provider.turns) == turns
    assert_nothing_is_open(limited)


@pytest.mark.parametrize("limited", [{"agent_steps": 2}], indirect=True, ids=["two steps"])
def test_calls_after_the_last_turn_are_not_made(limited: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = lambda _: [ToolCall("list_documents", {})]
    reader = ask(limited)
    limited.drain()
    assert event_types(reader.all())[-2:] == ["finish", "[DONE]"]
    assert answer_of(limited)["metadata"]["state"] == "cut"
    assert "2 steps (AGENT_STEPS)" in answer_of(limited)["metadata"]["notice"]
    assert len(provider.turns) == 2
    assert limited.rows("select count(*) from agent_calls") == [(0,)]
    assert_nothing_is_open(limited)


def test_used_up_budget_ends_the_answer(chat: ChatApp, provider: ScriptedProvider) -> None:
    def spend(_: object) -> Any:
        chat.rows(
            """insert into budgets (workspace_id, applies_to, period, amount) values (:w, 'workspace', 'day', 0)
            on conflict do nothing""",
            w=chat.workspace_id,
        )
        return [ToolCall("list_documents", {})]

    provider.script = spend
    reader = ask(chat)
    chat.drain()
    assert event_types(reader.all())[-2:] == ["finish", "[DONE]"]
    assert answer_of(chat)["metadata"]["state"] == "cut"
    assert "budget" in answer_of(chat)["metadata"]["notice"]
    assert len(provider.turns) == 1
    assert_nothing_is_open(chat)
