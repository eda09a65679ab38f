"""Answers whose writers are killed: clients come back to another instance, and end with the whole text.

A process that serves the chat function writes several answers and is killed (SIGKILL) at a random point of each. The
test ends the leases of its answers, instead of waiting for their end.
"""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, message_text, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import kill_function, start_function
from tests.harness.localcloud import Cloud
from tests.harness.resuming import ResumingReader, delivering
from tests.harness.support import queue_settings

QUESTION = "How do I install the compass?"
PIECES = [f"word{n} " for n in range(40)] + ["ended [1]."]
TEXT = "".join(PIECES)
ANSWERS = 8
"""Answers of one process. Each client reads another number of events before it is killed."""


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A model that is silent after its first words, until `wait` is set."""
    with fake_provider() as provider:
        provider.pieces, provider.wait, provider.wait_after = PIECES, threading.Event(), 30
        yield provider


@pytest.fixture
def survivor(cloud: Cloud, database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    """The instance that goes on. A thread delivers its tickets."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        with delivering(made):
            yield made


def ask(reader: ResumingReader, url: str, headers: httpx.Headers, events: int) -> Callable[[], None]:
    """Ask a question and read so many events. Returns what closes the connection."""
    client = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    request = client.build_request("POST", "/api/chat", json={"id": reader.conversation_id, "messages": [message]})
    response = client.send(request, stream=True)
    assert response.status_code == 200
    reader.read(response.iter_raw(), events)

    def close() -> None:
        response.close()
        client.close()

    return close


def test_clients_of_killed_processes_end_with_the_whole_text(
    survivor: ChatApp, cloud: Cloud, provider: FakeProvider, free_port: Callable[[], int]
) -> None:
    rng = random.Random(7)
    environment = {name.upper(): str(value) for name, value in queue_settings(cloud.url).items()}
    environment |= {"DATABASE_URL": survivor.settings.database_url, "EMBEDDING_MODEL": "constant"}
    environment |= {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1", "CHAT_TITLES": "false"}
    readers = [ResumingReader(f"c{n}", continues=n % 2 == 0) for n in range(ANSWERS)]
    with start_function("chat", free_port(), environment) as (client, process), ThreadPoolExecutor(ANSWERS) as pool:
        asking = [
            pool.submit(ask, reader, str(client.base_url), client.headers, rng.randint(1, 5)) for reader in readers
        ]
        closes = [each.result(60) for each in asking]
        kill_function(process)
        for close in closes:
            close()
    assert survivor.rows("select count(*) from messages where state = 'streaming'") == [(ANSWERS,)]
    survivor.rows("update messages set alive_until = now() - interval '9 s' where state = 'streaming'")
    assert provider.wait
    provider.wait.set()
    resumes = 0
    for reader in readers:
        is_over = False
        while not is_over:
            is_over = not reader.come_back(survivor, rng.choice([1, 2, 5, 1_000])) or reader.end == "finish"
            resumes += 1
        stored = survivor.messages(reader.conversation_id)[1]
        assert (stored["metadata"]["state"], message_text(stored)) == ("complete", TEXT)
        if reader.end == "finish" or reader.continues:
            assert reader.text == TEXT
    assert resumes >= ANSWERS
