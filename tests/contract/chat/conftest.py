"""The chat function as functions-framework serves it.

The packages `openai` and `mcp` are imported by the tests that use them, since each process collects all tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider
from tests.harness.chat_app import ChatApp
from tests.harness.function_server import serve_function

if TYPE_CHECKING:
    import openai


@pytest.fixture(scope="module")
def chat(library: ChatApp, provider: FakeProvider, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    """Serve the chat function with the module's documents (`library`) and fake provider (`provider`)."""
    environment = {
        "DATABASE_URL": library.settings.database_url,
        "EMBEDDING_MODEL": "constant",
        "CHAT_MODEL": "openai:fake",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
        "THREADS": "8",
    }
    with serve_function("chat", free_port(), environment) as client:
        yield client


@pytest.fixture(scope="module")
def client(chat: httpx.Client) -> Iterator[openai.OpenAI]:
    """Return the `openai` package's client of the function."""
    import httpx2
    from openai import OpenAI

    key = chat.headers["Authorization"].removeprefix("Bearer ")
    http = httpx2.Client(trust_env=False)
    with OpenAI(base_url=f"{chat.base_url}/v1", api_key=key, max_retries=0, http_client=http) as made:
        yield made
