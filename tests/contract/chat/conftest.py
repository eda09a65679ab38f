"""The chat function as functions-framework serves it."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider
from tests.harness.chat_app import ChatApp
from tests.harness.function_server import serve_function


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
