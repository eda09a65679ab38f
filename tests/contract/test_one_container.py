"""The one container, as an engine runs it: a read-only root, a volume, an unprivileged user, Postgres elsewhere.

Its image is laid out from the checkout, or with `--built-images` the one that buildah has built.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
import pytest

from scripts.local.postgres import Cluster
from tests.fakes.token_issuer import AUDIENCE, ISSUER, FakeIssuer, fake_issuer
from tests.harness import git_server
from tests.harness.chat_app import parse_events
from tests.harness.databases import run_client
from tests.harness.images import Image, image, read_output
from tests.harness.pipeline import Repository
from tests.harness.ports import free_port
from tests.harness.stacks import wait_until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts file systems"),
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    pytest.mark.long,
]

TOKEN = "a token of the repository"
QUESTION = {
    "id": "c1",
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "When does the valve v077 open?"}]}],
}
DOCUMENTS = 160
REQUEST_S = 3.0
"""Seconds for a request of a slow repository, so that the collect outlasts the kills."""
POLL_S = 0.25
"""Seconds between two looks at a container: each reads all processes of the machine, or asks a function."""
STOP_S = 10.0
"""Seconds between an engine's SIGTERM and SIGKILL."""
CLIENT = httpx.Client(trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""Without certificates: to load them takes 18 ms, and the tests poll."""

# How each process is recognized among those of the container.
PROCESSES = {
    "chat": "functions_framework:create_app('chat'",
    "collection": "functions_framework:create_app('collection'",
    "embedding": "functions_framework:create_app('embedding'",
    "localcloud": "-m localcloud",
    "node": "container/serve.mjs",
    "workerd": "workerd serve",
}


@dataclass
class Running:
    """A container that is ready."""

    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    url: str
    issuer: FakeIssuer

    def get(self, path: str, **query: Any) -> Any:
        return self.request("GET", path, params=query).json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as the user `ada`, and again while parts of the container restart."""
        headers = {"Authorization": f"Bearer {self.issuer.token()}"}
        response = httpx.Response(503)

        def is_answered() -> bool:
            nonlocal response
            try:
                response = CLIENT.request(method, self.url + path, headers=headers, timeout=30, **options)
            except httpx.TransportError:
                return False
            return response.status_code != 503

        wait_until(is_answered, pause_s=POLL_S)
        assert response.is_success, response.text
        return response

    def is_ready(self) -> bool:
        try:
            return CLIENT.get(f"{self.url}/ready", timeout=20).status_code == 200
        except httpx.TransportError:
            return False

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of one part."""
        return [process for process in self.family() if PROCESSES[name] in _command(process)]

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def entries(self) -> list[dict[str, Any]]:
        """Return the log, whose lines are all JSON."""
        return [json.loads(line) for line in read_output(self.output).splitlines()]

    def wait_for_run(self, run: str) -> tuple[object, ...]:
        """Wait until a run has ended; return its state, its numbers of documents and of added ones, and failures."""
        path = f"/api/runs/{run}"
        try:
            wait_until(lambda: self.get(path)["state"] != "running", pause_s=POLL_S)
        except AssertionError:
            raise AssertionError(f"{self.get(path)}\n{read_output(self.output)[-8000:]}") from None
        read = self.get(path)
        return (read["state"], read["total"], read["counts"]["added"], read["failures"])

    def kill_and_wait(self, name: str) -> None:
        """Kill a part, and wait until another one is ready."""
        old = self.processes(name)
        assert old, name
        for process in old:
            with suppress(psutil.NoSuchProcess):  # it ended with its parent
                process.kill()
        wait_until(
            lambda: (new := self.processes(name)) and not set(new) & set(old) and self.is_ready(), pause_s=POLL_S
        )

    def stop(self) -> None:
        """Stop as `docker stop` does; it ends with status 0 and in time."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0, read_output(self.output)

    def kill(self) -> None:
        """Kill everything at once: the kernel ends a container's processes with its first one."""
        psutil.Process(self.process.pid).children()[0].kill()
        assert self.process.wait(STOP_S) == 128 + signal.SIGKILL


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@dataclass(frozen=True)
class Installation:
    """What outlives a container: the image, the volume, the database, the issuer."""

    image: Image
    volume: Path
    settings: dict[str, str]
    issuer: FakeIssuer

    @contextmanager
    def started(self) -> Iterator[Running]:
        """Start a container and wait until it is ready."""
        with self.image.started(self.settings, volume=self.volume) as (process, output):
            running = Running(process, output, f"http://127.0.0.1:{self.settings['PORT']}", self.issuer)
            wait_until(lambda: '"ready on port' in read_output(output) or process.poll() is not None, pause_s=POLL_S)
            assert process.poll() is None, read_output(output)
            assert running.is_ready()
            yield running

    def restore(self, postgres: Cluster, folder: Path) -> "Installation":
        """Back up and restore as docs/one-container.md says: the database, and the secrets of the volume."""
        name, dump, volume = "one_container_restored", folder / "headwater.dump", folder / "restored"
        dump.touch()
        dump.chmod(0o666)
        run_client(postgres, "pg_dump", "one_container", "--format=custom", "--schema=headwater", f"--file={dump}")
        postgres.execute(f"create database {name}")
        postgres.execute("create extension vector", database=name)
        options = ["--no-owner", "--exit-on-error", "--single-transaction"]
        run_client(postgres, "pg_restore", name, *options, str(dump))
        (volume / "headwater").mkdir(parents=True)
        shutil.copy(self.volume / "headwater" / "secrets.json", volume / "headwater")
        for path in (volume, volume / "headwater", volume / "headwater" / "secrets.json"):
            os.chown(path, self.image.uid, self.image.uid)
        return replace(self, volume=volume, settings=self.settings | {"DATABASE_ADMIN_URL": postgres.url(name)})


@pytest.fixture(scope="module")
def image_of_all(request: pytest.FixtureRequest) -> Iterator[Image]:
    with image("all", built=request.config.getoption("--built-images")) as each:
        yield each


@pytest.fixture
def installation(postgres: Cluster, tmp_path: Path, image_of_all: Image) -> Iterator[Installation]:
    postgres.execute("create database one_container")
    volume = tmp_path / "volume"
    volume.mkdir()
    with fake_issuer("ES256") as issuer:
        settings = {
            "PORT": str(free_port(in_a_row=5)),
            "DATABASE_ADMIN_URL": postgres.url("one_container"),
            "DATABASE_ROLE": "one_container",
            "AUTH_MODE": "jwt",
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS_URL": issuer.url,
            "EMBEDDING_MODEL": "constant",
            "FETCH_PRIVATE": "true",
            "FETCH_BATCH": "4",
            "EMBED_BATCH": "8",
            "LEASE_S": "3",
            "WATCHDOG_S": "3",
        }
        yield Installation(image_of_all, volume, settings, issuer)


class SlowRepository:
    """A private repository whose server waits before each answer while `is_slow` is set."""

    def __init__(self, server: git_server.Server) -> None:
        self.url = f"{server.url}/valves/.git"
        self.is_slow = False
        server.answer = self._wait

    def _wait(self, _: object) -> bool:
        time.sleep(REQUEST_S if self.is_slow else 0)
        return False


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[SlowRepository]:
    texts = {
        f"docs/{n:03}.md": f"# V{n:03}\n\nThe valve v{n:03} opens when the water rises.\n" for n in range(DOCUMENTS)
    }
    Repository(tmp_path / "repositories" / "valves").write(texts)
    with git_server.serve(tmp_path / "repositories", partial=True, token=TOKEN) as server:
        yield SlowRepository(server)


def test_signal_before_the_handlers_exist_stops_the_container(tmp_path: Path, image_of_all: Image) -> None:
    """The kernel drops signals that process 1 doesn't handle, so the engine would have to kill it."""
    volume = tmp_path / "volume"
    volume.mkdir()
    settings = {"DATABASE_ADMIN_URL": "postgresql://nowhere.test/kb"}
    with image_of_all.started(settings, volume=volume) as (process, output):
        first = 0
        deadline = time.monotonic() + 60
        # Without pauses: Python has handlers within milliseconds.
        while not first or not Path(f"/proc/{first}/cmdline").read_bytes().startswith(b"python\0"):
            assert time.monotonic() < deadline, read_output(output)
            first = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() or 0)
        os.kill(first, signal.SIGTERM)
        assert process.wait(STOP_S) in (0, 128 + signal.SIGTERM), read_output(output)


RUN_CODE = """
from headwater.sandbox.limits import Limits
from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.runner import find_sandbox
try:
    sandbox = find_sandbox()
except SandboxUnavailable as error:
    print(error.message)
else:
    outcome = sandbox.run(["python3", "-c", "import os; print(os.getuid(), os.listdir('/'))"], {}, Limits())
    print(sandbox.launcher, outcome.output.decode())
"""


def test_agents_run_code_in_a_sandbox(image_of_all: Image) -> None:
    output = image_of_all.run({}, "python", "-c", RUN_CODE)
    assert output.startswith("bubblewrap 1000 ["), output
    assert "app" not in output, "the sandbox has the container's files"
    refused = image_of_all.run({}, "python", "-c", RUN_CODE, has_namespaces=False)
    assert refused.startswith("Code can't be run safely on this system. bubblewrap: The sandbox can't be set up: ")
    assert "system calls: The sandbox can't be set up: " in refused


def test_killed_anywhere_it_goes_on_and_is_restored_from_a_backup(
    installation: Installation, repository: SlowRepository, postgres: Cluster, tmp_path: Path
) -> None:
    with installation.started() as running:
        assert "<html" in CLIENT.get(running.url).text
        new = {"kind": "git", "name": "valves", "config": {"url": repository.url}, "token": TOKEN}
        source = running.request("POST", "/api/sources", json=new).json()["id"]
        repository.is_slow = True
        run = running.request("POST", f"/api/sources/{source}/collect").json()["run_id"]
        for name in PROCESSES:
            assert running.get(f"/api/runs/{run}")["state"] == "running", f"the collect ended before {name} was killed"
            running.kill_and_wait(name)
        running.kill()
    repository.is_slow = False

    with installation.started() as running:
        assert running.wait_for_run(run) == ("succeeded", DOCUMENTS, DOCUMENTS, [])
        assert running.get("/api/search", q="v077", k=1)["hits"][0]["title"] == "V077"
        events = parse_events(running.request("POST", "/api/chat", json=QUESTION).content)
        answer = "".join(event.part["delta"] for event in events if "delta" in event.part)
        assert "The valve v077 opens when the water rises" in answer
        running.stop()
        assert "Agents can run code, in a sandbox made by bubblewrap." in read_output(running.output)
        private = [path for path in installation.volume.rglob("*") if path.stat().st_mode & 0o077]
        assert private == [], "only the container's user may read its files"
        assert not [entry for entry in running.entries() if entry.get("severity") in ("ERROR", "CRITICAL")]

    restored = installation.restore(postgres, tmp_path)
    with restored.started() as running:
        assert running.get("/api/search", q="v077", k=1)["hits"][0]["title"] == "V077"
        run = running.request("POST", f"/api/sources/{source}/collect").json()["run_id"]
        assert running.wait_for_run(run) == ("succeeded", DOCUMENTS, 0, [])
        running.stop()
