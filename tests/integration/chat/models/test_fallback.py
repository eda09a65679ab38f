"""Fallback through four models of four providers, of which three fail in different ways."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import running_chat_app, text_of
from tests.harness.databases import FreshDatabase

MODELS = ("anthropic:a", "openai:b", "openrouter:c", "openai_compatible:d")


@pytest.fixture
def providers() -> Iterator[list[FakeProvider]]:
    with ExitStack() as stack:
        yield [stack.enter_context(fake_provider()) for _ in MODELS]


def test_fourth_model_answers_after_three_failed_differently(
    database: FreshDatabase, providers: list[FakeProvider]
) -> None:
    overloaded, limited, broken, well = providers
    overloaded.status, limited.status, limited.retry_after = 529, 429, "60"
    broken.pieces, broken.ends = [], "broken"
    urls = {"anthropic_base_url": overloaded.url, "openai_base_url": f"{limited.url}/v1"}
    urls |= {"openrouter_base_url": f"{broken.url}/v1", "openai_compatible_base_url": f"{well.url}/v1"}
    keys = {"anthropic_api_key": "k", "openai_api_key": "k", "openrouter_api_key": "k"}
    with running_chat_app(database, chat_models=MODELS, **urls, **keys) as chat:
        chat.add_document("guide.md", "Install the compass with pip.", title="Guide")
        events = chat.ask("c1", "How do I install the compass?")
        models = [event.part["data"] for event in events if "data-model" in str(event.part)]
        assert [model["name"] for model in models] == list(MODELS)
        assert models[-1]["insteadOf"] == list(MODELS[:3])
        assert text_of(events) == "Yes [1]."
        [_, answer] = chat.messages("c1")
        assert [part["data"]["name"] for part in answer["parts"] if part["type"] == "data-model"] == [MODELS[3]]
        chat.ask("c2", "How do I install the compass?")
        assert [len(provider.requests) for provider in providers] == [1, 1, 1, 2]
