"""A chat function whose model follows a script, with documents and a queue whose tickets tests deliver.

The tests of a module share it: each begins without standing questions, conversations, runs and changes.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.fakes.agent_provider import ScriptedProvider, scripted_provider
from tests.fakes.smtp_server import SmtpServer, smtp_server
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings


@pytest.fixture(scope="module")
def module_provider() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def module_server() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


@pytest.fixture(scope="module")
def changes(paused_cloud: Cloud, module_provider: ScriptedProvider, module_server: SmtpServer) -> dict[str, Any]:
    """The settings of the function."""
    return queue_settings(paused_cloud.url) | {
        "chat_model": "openai:gpt-4o",
        "openai_base_url": f"{module_provider.url}/v1",
        "secret_key": Fernet.generate_key().decode(),
        "fetch_private": True,
        "app_url": "https://headwater.example",
        "smtp_url": f"smtp://127.0.0.1:{module_server.port}",
        "mail_from": "Headwater <answers@headwater.example>",
    }


@pytest.fixture(scope="module")
def module_chat(module_database: FreshDatabase, changes: dict[str, Any]) -> Iterator[ChatApp]:
    with running_chat_app(module_database, **changes) as made:
        made.add_document("install.md", "Install the compass with pip.\nIt needs Python.", title="Install")
        yield made


@pytest.fixture
def provider(module_provider: ScriptedProvider) -> ScriptedProvider:
    module_provider.script, module_provider.status = lambda _: "With pip [1].", 200
    module_provider.requests.clear()
    module_provider.turns.clear()
    return module_provider


@pytest.fixture
def server(module_server: SmtpServer) -> SmtpServer:
    module_server.mails.clear()
    module_server.replies.clear()
    module_server.silent = ""
    return module_server


@pytest.fixture
def chat(module_chat: ChatApp, provider: ScriptedProvider) -> ChatApp:
    for table in ("standing_questions", "conversations", "budgets", "usage", "members", "steps"):
        module_chat.rows(f"delete from {table}")
    module_chat.rows("delete from sources where id not in (select source_id from documents where key = 'install.md')")
    return module_chat
