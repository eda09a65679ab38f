"""Each image as Cloud Run runs it: the Dockerfile's own command and environment, a port, a signal, ten seconds."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import httpx
import jwt
import pytest
import sqlalchemy as sa

from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.token_issuer import AUDIENCE, ISSUER, good_claims
from tests.harness.chat_app import Chatting, kinds, sent
from tests.harness.databases import FreshDatabase
from tests.harness.images import KILLED_AFTER_S, TARGETS, Image, image, said
from tests.harness.support import WORKSPACE, add_run

SECRET = "a secret of thirty-two bytes or more"
TOKEN = {"Authorization": f"Bearer {jwt.encode(good_claims(), SECRET, 'HS256')}"}
# A request of each service that has a body, which can be held back.
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/api/chat", {"id": "c2", "messages": [{"role": "user", "parts": [{"type": "text", "text": "How?"}]}]}),
    "collection": ("/api/keys", {"name": "a program", "role": "reader"}),
    "embedding": ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": ["How do I install the compass?"]}),
}


@pytest.fixture(scope="module")
def images() -> Iterator[Mapping[str, Image]]:
    with image("chat") as chat, image("collection") as collection, image("embedding") as embedding, image("job") as job:
        yield dict(zip(TARGETS, (chat, collection, embedding, job), strict=True))


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[Chatting]:
    """A workspace whose owner is the bearer of the token."""
    register_model(module_database.admin_url, "all-MiniLM-L6-v2", 384)
    made = Chatting(module_database)
    made.add_document("guide.md", "Install the compass with pip.", title="Guide")
    made.rows(
        "insert into members (workspace_id, subject, role) values (:w, :s, 'owner')",
        w=WORKSPACE,
        s=good_claims()["sub"],
    )
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def settings(library: Chatting, provider: FakeProvider) -> dict[str, str]:
    """What a deployment sets, the same for all."""
    return {
        "DATABASE_URL": library.settings.database_url,
        "AUTH_MODE": "jwt",
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_SECRET": SECRET,
        "SECRET_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "CHAT_MODEL": "openai:fake",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
    }


def on_cloud_run(target: str, settings: Mapping[str, str], port: int) -> dict[str, str]:
    """Add what Cloud Run sets."""
    return {**settings, "K_SERVICE": f"headwater-{target}", "K_REVISION": "r1", "PORT": str(port)}


def wait_for(client: httpx.Client, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, said(output)
        try:
            assert client.get("/heartbeat").json()["status"] == "alive"
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(said(output))


def wait_until_it_ends(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    """Send SIGTERM, and wait until gunicorn has passed it on."""
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + KILLED_AFTER_S
    while "Handling signal: term" not in said(output):
        assert time.monotonic() < deadline, said(output)
        time.sleep(0.02)


class HeldBack:
    """A request that the service has begun to answer, of which the body's last byte isn't sent."""

    def __init__(self, port: int, path: str, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self._last = content[-1:]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Expect: 100-continue"]
        lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in TOKEN.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        self._socket.sendall(content[:-1])

    def finish(self) -> int:
        """Send the last byte; returns the answer's status."""
        with self._socket, http.client.HTTPResponse(self._socket) as response:
            self._socket.sendall(self._last)
            response.begin()
            response.read()
            return response.status


@pytest.mark.parametrize("target", ["chat", "collection", "embedding"])
def test_a_service_answers_on_its_port_and_finishes_what_it_does_when_it_has_to_end(
    target: str, images: Mapping[str, Image], settings: dict[str, str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    with (
        images[target].started(on_cloud_run(target, settings, port)) as (process, output),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
    ):
        wait_for(client, process, output)
        assert client.get("/ready").status_code == 200, said(output)
        client.close()
        held_back = HeldBack(port, *BODIES[target])
        wait_until_it_ends(process, output)
        assert held_back.finish() in (200, 201), said(output)
        assert process.wait(KILLED_AFTER_S) == 0, said(output)


def test_an_answer_that_is_being_written_ends_properly_when_chat_has_to_end(
    images: Mapping[str, Image],
    settings: dict[str, str],
    library: Chatting,
    provider: FakeProvider,
    free_port: Callable[[], int],
) -> None:
    provider.pieces, provider.wait, provider.wait_after = ["Hello ", "world [1]."], threading.Event(), 1
    port = free_port()
    with (
        images["chat"].started(on_cloud_run("chat", {**settings, "EMBEDDING_MODEL": "all-MiniLM-L6-v2"}, port)) as (
            process,
            output,
        ),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, headers=TOKEN) as client,
    ):
        wait_for(client, process, output)
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "How do I install the compass?"}]}
        stream = b""
        with client.stream("POST", "/api/chat", json={"id": "c1", "messages": [message]}) as response:
            for chunk in response.iter_raw():
                stream += chunk
                if b"text-delta" in stream and process.poll() is None:
                    process.send_signal(signal.SIGTERM)
        assert kinds(sent(stream))[-4:] == ["text-delta", "text-end", "error", "[DONE]"], said(output)
        assert process.wait(KILLED_AFTER_S) == 0, said(output)
    provider.wait.set()
    states = library.rows(
        """select state from messages m join conversations c on c.id = m.conversation_id
        where client_id = 'c1' order by ordinal"""
    )
    assert states == [("complete",), ("interrupted",)]


def test_a_function_that_cannot_be_imported_never_listens(
    settings: dict[str, str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    with image("collection") as broken:
        (broken.app / "functions" / "collection" / "routes.py").unlink()
        broken.forget()
        with broken.started(on_cloud_run("collection", settings, port)) as (process, output):
            assert process.wait(60) != 0
            assert "functions.collection.sources.routes" in said(output)
            assert "Listening" not in said(output)


def test_a_service_without_its_settings_says_which_and_never_listens(
    images: Mapping[str, Image], free_port: Callable[[], int]
) -> None:
    with images["embedding"].started(on_cloud_run("embedding", {"AUTH_MODE": "jwt"}, free_port())) as (process, output):
        assert process.wait(60) != 0
        assert "DATABASE_URL: missing" in said(output)
        assert "Listening" not in said(output)


def as_job_worker(settings: Mapping[str, str]) -> dict[str, str]:
    """Add what Cloud Run sets in a job."""
    numbers = {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "2", "CLOUD_RUN_TASK_ATTEMPT": "0"}
    return {**settings, "CLOUD_RUN_JOB": "headwater", "CLOUD_RUN_EXECUTION": "headwater-x1", **numbers}


def test_the_job_knows_which_worker_it_is_and_ends_well_when_nothing_is_open(
    images: Mapping[str, Image], settings: dict[str, str]
) -> None:
    with images["job"].started(as_job_worker(settings)) as (process, output):
        assert process.wait(60) == 0, said(output)
        lines = [json.loads(line) for line in said(output).splitlines() if line.startswith("{")]
        assert [line["worker"] for line in lines if line.get("action") == "job.drained"] == [1]


def test_a_job_worker_that_waits_for_work_ends_well_when_it_has_to(
    images: Mapping[str, Image], settings: dict[str, str], library: Chatting
) -> None:
    with library.database.transaction(WORKSPACE) as tx:
        run_id = add_run(library.database)
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", "a")])
        tx.execute(
            sa.text("""update steps set state = 'running', not_before = now() + interval '1 hour',
            lease_until = now() - interval '1 second' where run_id = :run_id"""),
            {"run_id": run_id},
        )
    with images["job"].started(as_job_worker(settings), "drain") as (process, output):
        wait_until_taken_back(library.database, process, output)
        process.send_signal(signal.SIGTERM)
        assert process.wait(KILLED_AFTER_S) == 0, said(output)


def wait_until_taken_back(database: Database, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    """Wait until the job worker has returned the overdue step: then it is at work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, said(output)
        with database.transaction(ALL_WORKSPACES) as tx:
            if tx.execute(sa.text("select 1 from steps where lost = 1")).scalar():
                return
        time.sleep(0.05)
    raise AssertionError(said(output))


def test_collection_counts_tokens_with_what_its_image_holds_of_the_model(images: Mapping[str, Image]) -> None:
    program = """
from headwater.config import read_settings; import os
from headwater.embedding.registry import load_tokenizer
settings = read_settings({**os.environ, "DATABASE_URL": "unused"})
print(len(load_tokenizer("all-MiniLM-L6-v2", settings.model_dir).starts(["Install the compass."])[0]))
"""
    collection = images["collection"]
    done = subprocess.run(
        ["/usr/bin/env", "python", "-c", program],
        cwd=collection.app,
        env=collection.environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("4\n", "")
    assert not list(collection.app.rglob("weights.bin"))
