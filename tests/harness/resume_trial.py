"""Answers whose clients leave and come back at random points, on two instances that are killed (SIGKILL) meanwhile.

The first instance is the running stack's, behind the Worker; the second one serves on a port of its own. After a kill,
the leases of all running answers are ended, instead of waiting for their end: writers that live go on or lose their
answers, as after a pause of their process.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from headwater.config import Settings
from tests.harness.chat_app import message_text
from tests.harness.databases import connected
from tests.harness.function_server import kill_function, start_function
from tests.harness.ports import free_port
from tests.harness.resume_clients import Client, PlainReader, UseChatProcess, UseChatReader, WebSocketReader
from tests.harness.stacks import RunningStack

KINDS = ("plain reader", "useChat", "WebSocket")
AT_A_TIME = 9
"""Answers at a time."""

MAX_ATTEMPTS = 400
"""Attempts to come back to one answer, at most. An instance that starts refuses connections for a while."""


class Instances:
    """The instances that clients may come back to."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self._environment = psutil.Process(stack.pids["chat"]).environ()
        self._port = free_port()
        self._changes = threading.Lock()
        self.urls = [f"http://127.0.0.1:{stack.ports['chat']}", f"http://127.0.0.1:{self._port}"]
        self.kills = 0

    @contextmanager
    def second(self) -> Iterator[Callable[[], None]]:
        """Serve the second instance. Yields what kills it."""
        with start_function("chat", self._port, self._environment, as_image=True) as (_, process):
            yield lambda: kill_function(process)

    def kill_first(self) -> None:
        """Kill the stack's instance, which its supervisor starts again."""
        self.stack.kill("chat")
        self.end_leases()

    def end_leases(self) -> None:
        """End the leases of all running answers, as if their writers had been silent for their length."""
        self.kills += 1
        expire = "update messages set alive_until = now() - interval '1 s' where alive_until > now()"
        with (
            connected(self._environment["DATABASE_URL"], 1) as database,
            database.transaction(Settings.local_workspace_id) as tx,
        ):
            tx.execute(sa.text(expire))


class Trial:
    """Answers of clients of each kind. `text` is the scripted one. Figures are in `counts`."""

    def __init__(self, instances: Instances, text: str, seed: int) -> None:
        self.instances = instances
        self.text = text
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def run(self, resumes: int, answers: int = 0) -> None:
        """Ask until there were so many resumes and answers. Check each answer."""
        numbers = iter(range(1_000_000))
        with ThreadPoolExecutor(AT_A_TIME) as pool, self._use_chat() as use_chat:

            def work() -> None:
                while self.counts["resumes"] < resumes or self.counts["answers"] < answers:
                    with self._lock:
                        number = next(numbers)
                    self._answer(number, use_chat)

            for each in [pool.submit(work) for _ in range(AT_A_TIME)]:
                each.result()

    @contextmanager
    def _use_chat(self) -> Iterator[UseChatProcess]:
        process = UseChatProcess(self.instances.stack.token)
        try:
            yield process
        finally:
            process.close()

    def _client(self, kind: str, conversation_id: str, use_chat: UseChatProcess) -> Client:
        stack = self.instances.stack
        if kind == "plain reader":
            return PlainReader(conversation_id, stack.token)
        if kind == "useChat":
            return UseChatReader(conversation_id, use_chat)
        return WebSocketReader(conversation_id, stack.token, stack.url)

    def _answer(self, number: int, use_chat: UseChatProcess) -> None:
        kind, conversation_id = KINDS[number % len(KINDS)], f"resumed-{self.seed}-{number}"
        rng = random.Random(f"{self.seed}/{number}")
        client = self._client(kind, conversation_id, use_chat)
        outcome = client.ask(rng.choice(self.instances.urls), rng.randint(1, 25))
        resumes = 0
        stored: dict[str, Any] | None = None
        for _ in range(MAX_ATTEMPTS):
            if outcome in ("finished", "nothing", "failed"):
                stored = self._stored(conversation_id)
                if stored and stored["metadata"]["state"] == "complete":
                    break
            url, events = rng.choice(self.instances.urls), rng.choice([1, 2, 3, 5, 8, 25, 1_000])
            if stored is None and outcome != "left":
                time.sleep(0.3)
                outcome = client.ask(url, events)  # the question had not been stored
            elif stored and stored["metadata"]["state"] != "streaming":
                self._count("continued")
                outcome = client.go_on(url, stored["id"], events)
            else:
                outcome = client.resume(url, events)
                resumes += outcome != "failed"
            stored = None
            if outcome == "failed":
                time.sleep(0.3)
        self._check(kind, conversation_id, client, outcome, stored)
        self._count("resumes", resumes)
        self._count(f"resumes of {kind}", resumes)
        self._count("answers")

    def _check(
        self, kind: str, conversation_id: str, client: Client, outcome: str, stored: dict[str, Any] | None
    ) -> None:
        text = message_text(stored) if stored else None
        if text != self.text:
            self.failures.append(f"{conversation_id} of {kind}: stored as {stored}")
        elif outcome == "finished" and client.text != self.text:
            self.failures.append(f"{conversation_id} of {kind}: read as {client.text!r}")
        if outcome == "finished":
            self._count("read to the end")

    def _stored(self, conversation_id: str) -> dict[str, Any] | None:
        """Return the last message if it is an answer; None if there is none, or no instance responds."""
        headers = self.instances.stack.authorization
        for url in self.instances.urls:
            with suppress(httpx.HTTPError), httpx.Client(timeout=30, trust_env=False) as client:
                response = client.get(f"{url}/api/conversations/{conversation_id}", headers=headers)
                if response.status_code == 404:
                    return None
                if response.status_code == 200:
                    message: dict[str, Any] = response.json()["messages"][-1]
                    return message if message["role"] == "assistant" else {"metadata": {"state": "streaming"}}
        return {"metadata": {"state": "streaming"}}

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self.counts[name] += by
