"""Each image as Cloud Run runs it: its command and environment, a port, and shutdown within ten seconds.

As root, each has a read-only root file system. With `--built-images`, these are the images that buildah has built.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
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
from tests.harness.chat_app import ChatApp, event_types, parse_events, second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.images import KILLED_AFTER_S, TARGETS, Image, image, read_output
from tests.harness.support import WORKSPACE, add_run

SECRET = "a secret of thirty-two bytes or more"
# For each service, a request with a body whose last byte can be withheld.
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/api/chat", {"id": "c2", "messages": [{"role": "user", "parts": [{"type": "text", "text": "How?"}]}]}),
    "collection": ("/api/keys", {"name": "a program", "role": "reader"}),
    "embedding": ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": ["How do I install the compass?"]}),
}


@pytest.fixture(scope="module")
def images(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Image]]:
    built = request.config.getoption("--built-images")
    with ExitStack() as stack:
        yield {target: stack.enter_context(image(target, built=built)) for target in TARGETS}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    """A workspace owned by the token's subject."""
    register_model(module_database.admin_url, "all-MiniLM-L6-v2", 384)
    with second_instance(module_database) as app:
        app.add_document("guide.md", "Install the compass with pip.", title="Guide")
        app.rows(
            "insert into members (workspace_id, subject, role) values (:w, :s, 'owner')",
            w=WORKSPACE,
            s=good_claims()["sub"],
        )
        yield app


@pytest.fixture(scope="module")
def settings(library: ChatApp, provider: FakeProvider) -> dict[str, str]:
    """The settings of a deployment that all services share."""
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
    """Add the variables that Cloud Run sets."""
    return {**settings, "K_SERVICE": f"headwater-{target}", "K_REVISION": "r1", "PORT": str(port)}


def wait_for(client: httpx.Client, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    wait_for_port(client, process, output)
    assert client.get("/heartbeat").json()["status"] == "alive"


def wait_for_port(client: httpx.Client, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, read_output(output)
        try:
            assert client.get("/heartbeat").status_code == 200
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(read_output(output))


def terminate(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    """Send SIGTERM and wait until gunicorn handles it."""
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + KILLED_AFTER_S
    while "Handling signal: term" not in read_output(output):
        assert time.monotonic() < deadline, read_output(output)
        time.sleep(0.02)


def authorization() -> dict[str, str]:
    """Return the header of a user. Its token is valid for ten minutes."""
    return {"Authorization": f"Bearer {jwt.encode(good_claims(), SECRET, 'HS256')}"}


class UnfinishedRequest:
    """A request in progress, whose last byte has not been sent yet."""

    def __init__(self, port: int, path: str, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self._last = content[-1:]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Expect: 100-continue"]
        lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in authorization().items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        self._socket.sendall(content[:-1])

    def finish(self) -> int:
        """Send the last byte and return the response's status."""
        with self._socket, http.client.HTTPResponse(self._socket) as response:
            self._socket.sendall(self._last)
            response.begin()
            response.read()
            return response.status


def test_sandbox_runs_code_as_root_of_a_read_only_root(
    request: pytest.FixtureRequest, free_port: Callable[[], int]
) -> None:
    if os.geteuid():
        pytest.skip("needs root: Cloud Run's containers are started by it")
    built, port = request.config.getoption("--built-images"), free_port()
    with (
        image("sandbox", built=built) as sandbox,
        sandbox.started(on_cloud_run("sandbox", {}, port)) as (process, output),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client,
    ):
        wait_for_port(client, process, output)
        assert client.get("/ready").text == "bubblewrap\n"
        if built:  # the packages are those of the image
            tested = client.get("/self-test")
            assert (tested.status_code, tested.text) == (200, "passed\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(KILLED_AFTER_S) == 0, read_output(output)


@pytest.mark.parametrize("target", ["chat", "collection", "embedding"])
def test_service_listens_on_its_port_and_finishes_requests_after_sigterm(
    target: str, images: Mapping[str, Image], settings: dict[str, str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    with (
        images[target].started(on_cloud_run(target, settings, port)) as (process, output),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
    ):
        wait_for(client, process, output)
        assert client.get("/ready").status_code == 200, read_output(output)
        client.close()
        unfinished = UnfinishedRequest(port, *BODIES[target])
        terminate(process, output)
        assert unfinished.finish() in (200, 201), read_output(output)
        assert process.wait(KILLED_AFTER_S) == 0, read_output(output)


def test_chat_interrupts_an_answer_properly_after_sigterm(
    images: Mapping[str, Image],
    settings: dict[str, str],
    library: ChatApp,
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
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, headers=authorization()
        ) as client,
    ):
        wait_for(client, process, output)
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "How do I install the compass?"}]}
        stream = b""
        with client.stream("POST", "/api/chat", json={"id": "c1", "messages": [message]}) as response:
            for chunk in response.iter_raw():
                stream += chunk
                if b"text-delta" in stream and process.poll() is None:
                    process.send_signal(signal.SIGTERM)
        assert event_types(parse_events(stream))[-4:] == ["text-delta", "text-end", "error", "[DONE]"], read_output(
            output
        )
        assert process.wait(KILLED_AFTER_S) == 0, read_output(output)
    provider.wait.set()
    states = library.rows(
        """select state from messages m join conversations c on c.id = m.conversation_id
        where client_id = 'c1' order by ordinal"""
    )
    assert states == [("complete",), ("interrupted",)]


def test_function_with_an_import_error_never_listens(settings: dict[str, str], free_port: Callable[[], int]) -> None:
    port = free_port()
    with image("collection") as broken:
        (broken.app / "functions" / "collection" / "sources" / "routes.py").unlink()
        broken.accept_changes()
        with broken.started(on_cloud_run("collection", settings, port)) as (process, output):
            assert process.wait(60) != 0
            assert "functions.collection.sources.routes" in read_output(output)
            assert "Listening" not in read_output(output)


def test_service_without_required_settings_names_them_and_never_listens(
    images: Mapping[str, Image], free_port: Callable[[], int]
) -> None:
    with images["embedding"].started(on_cloud_run("embedding", {"AUTH_MODE": "jwt"}, free_port())) as (process, output):
        assert process.wait(60) != 0
        assert "DATABASE_URL: missing" in read_output(output)
        assert "Listening" not in read_output(output)


def as_job_worker(settings: Mapping[str, str]) -> dict[str, str]:
    """Add the variables that Cloud Run sets in a job."""
    numbers = {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "2", "CLOUD_RUN_TASK_ATTEMPT": "0"}
    return {**settings, "CLOUD_RUN_JOB": "headwater", "CLOUD_RUN_EXECUTION": "headwater-x1", **numbers}


def test_job_worker_reads_its_index_and_exits_with_0_when_nothing_is_open(
    images: Mapping[str, Image], settings: dict[str, str]
) -> None:
    with images["job"].started(as_job_worker(settings)) as (process, output):
        assert process.wait(60) == 0, read_output(output)
        lines = [json.loads(line) for line in read_output(output).splitlines() if line.startswith("{")]
        assert [line["worker"] for line in lines if line.get("action") == "job.drained"] == [1]


def test_waiting_job_worker_exits_with_0_after_sigterm(
    images: Mapping[str, Image], settings: dict[str, str], library: ChatApp
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
        assert process.wait(KILLED_AFTER_S) == 0, read_output(output)


def wait_until_taken_back(database: Database, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    """Wait until the job worker has taken back the expired step, so it is running."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, read_output(output)
        with database.transaction(ALL_WORKSPACES) as tx:
            if tx.execute(sa.text("select 1 from steps where lost = 1")).scalar():
                return
        time.sleep(0.05)
    raise AssertionError(read_output(output))


def test_collection_counts_tokens_with_only_the_tokenizer(images: Mapping[str, Image]) -> None:
    program = """
from headwater.config import read_settings; import os
from headwater.embedding.registry import load_tokenizer
settings = read_settings({**os.environ, "DATABASE_URL": "unused"})
print(len(load_tokenizer("all-MiniLM-L6-v2", settings.model_dir).starts(["Install the compass."])[0]))
"""
    collection = images["collection"]
    assert collection.run({}, "python", "-c", program) == "4\n"
    assert not list(collection.app.rglob("weights.bin"))
