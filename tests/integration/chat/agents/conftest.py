"""A chat function whose model follows a script, with documents and a queue whose tickets tests deliver."""

from collections.abc import Iterator

import pytest

from tests.fakes.agent_provider import ScriptedProvider, scripted_provider
from tests.harness.agents import close_readers
from tests.harness.chat_app import ChatApp, running_chat_app, second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.fixture
def chat(cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes) as made:
        made.add_document("guides/install.md", "Install the compass with pip.\nIt needs Python.", title="Install")
        made.add_document("guides/use.md", "The compass shows north.", title="Use")
        yield made
        close_readers()


@pytest.fixture
def second_app(chat: ChatApp, cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    """Another instance of the same function."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with second_instance(database, **changes) as other:
        yield other
