"""Answers whose writers are killed: clients come back to another instance, and end with the whole text.

A process that serves the chat function writes several answers and is killed (SIGKILL) at a random point of each. The
test ends the leases of its answers, instead of waiting for their end.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, StreamEvent, message_text, parse_events, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import kill_function, start_function
from tests.harness.localcloud import Cloud
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
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Cloud Tasks with a paused queue: the surviving instance delivers its tickets."""
    made = Cloud(tmp_path)
    made.client.pause_queue(name=made.create_queue("chat"))
    yield made
    made.stop()


@pytest.fixture
def survivor(cloud: Cloud, database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    """The instance that goes on. A thread delivers its tickets."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        with delivering(made):
            yield made


@contextmanager
def delivering(app: ChatApp) -> Iterator[None]:
    over = threading.Event()

    def deliver() -> None:
        while not over.wait(0.05):
            app.drain()

    thread = threading.Thread(target=deliver)
    thread.start()
    yield
    over.set()
    thread.join(60)


class Reader:
    """A client that keeps what it has read. `continues`: it sends its last event's number when it comes back."""

    def __init__(self, conversation_id: str, *, continues: bool) -> None:
        self.conversation_id = conversation_id
        self.continues = continues
        self.text = ""
        self.last = 0
        self.end = ""

    def read(self, chunks: Iterable[bytes], events: int) -> None:
        """Read so many events, or to the end of the stream."""
        for _, event in zip(range(events), _events(chunks), strict=False):
            assert event.id == 0 or event.id > self.last, "no event comes twice"
            self.last = event.id or self.last
            kind = event.part["type"] if isinstance(event.part, dict) else event.part
            if kind == "start":
                self.text = ""
            elif kind == "text-delta":
                self.text += event.part["delta"]
            elif kind in ("finish", "error"):
                self.end = kind

    def ask(self, url: str, headers: httpx.Headers, events: int) -> Callable[[], None]:
        """Ask a question and read so many events. Returns what closes the connection."""
        client = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
        request = client.build_request("POST", "/api/chat", json={"id": self.conversation_id, "messages": [message]})
        response = client.send(request, stream=True)
        assert response.status_code == 200
        self.read(response.iter_raw(), events)

        def close() -> None:
            response.close()
            client.close()

        return close

    def come_back(self, app: ChatApp, events: int) -> bool:
        """Resume the answer. Returns False if it has ended, and there is nothing to read."""
        if not self.continues:
            self.text, self.last = "", 0
        self.end = ""
        headers = {"Last-Event-ID": str(self.last)} if self.last else {}
        with app.client.get(f"/api/chat/{self.conversation_id}/stream", headers=headers) as response:
            if response.status_code == 204:
                return False
            self.read((bytes(chunk) for chunk in response.response), events)  # type: ignore[arg-type]
        return True


def _events(chunks: Iterable[bytes]) -> Iterator[StreamEvent]:
    rest = b""
    for chunk in chunks:
        whole, end, rest = (rest + chunk).rpartition(b"\n\n")
        yield from parse_events(whole + end)


def test_clients_of_killed_processes_end_with_the_whole_text(
    survivor: ChatApp, cloud: Cloud, provider: FakeProvider, free_port: Callable[[], int]
) -> None:
    rng = random.Random(7)
    environment = {name.upper(): str(value) for name, value in queue_settings(cloud.url).items()}
    environment |= {"DATABASE_URL": survivor.settings.database_url, "EMBEDDING_MODEL": "constant"}
    environment |= {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1", "CHAT_TITLES": "false"}
    readers = [Reader(f"c{n}", continues=n % 2 == 0) for n in range(ANSWERS)]
    with start_function("chat", free_port(), environment) as (client, process), ThreadPoolExecutor(ANSWERS) as pool:
        asking = [
            pool.submit(reader.ask, str(client.base_url), client.headers, rng.randint(1, 5)) for reader in readers
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
