"""An idle installation: four requests in an hour. Everything is real except Cloud Scheduler's clock."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES, Database
from localcloud.grpc_api.certificate import load_or_create_certificate
from localcloud.grpc_api.tunnel import GrpcTunnel
from localcloud.listener import Listener
from localcloud.rest.router import Router
from localcloud.rest.server import RestServer
from localcloud.scheduler.api import CloudScheduler
from localcloud.scheduler.records import SCHEMA as SCHEDULER_SCHEMA
from localcloud.scheduler.sender import JobRequestSender
from localcloud.store import open_store
from localcloud.targets.id_tokens import id_token
from localcloud.targets.outbound import Outbound
from localcloud.targets.signing import SigningSender, generate_key
from localcloud.tasks.api import CloudTasks, Limits
from localcloud.tasks.records import SCHEMA as TASKS_SCHEMA
from scripts.local.cloud_resources import create_all
from tests.harness.clocks import ManualClock
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN
from tests.harness.pipeline import Repository
from tests.harness.stacks import wait_until
from tests.harness.support import queue_settings, settings_for

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

SETTINGS: tuple[str, ...] = (
    "tasks_endpoint",
    "collection_url",
    "embedding_url",
    "google_cloud_project",
    "cloud_region",
)
SETTINGS += ("invoker_service_account", "database_url", "embedding_model", "fetch_file_urls", "watchdog_s")
SETTINGS += ("google_jwks_url",)
"""Settings that the functions get from the environment."""

TICKS = ("10:15", "10:30", "10:45", "11:00")
"""The quarter hours after the manual clock's start."""


class Cloud:
    """Cloud Tasks and Cloud Scheduler on a port, with their own event loop and a manual clock."""

    def __init__(self, data: Path) -> None:
        self.clock = ManualClock()
        self.key = generate_key()
        self.url = ""
        self._data = data
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()

    @contextmanager
    def running(self) -> "Iterator[Cloud]":
        ready = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(ready),))
        thread.start()
        assert ready.wait(120)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stopped.set)
            thread.join()
            self._loop.close()

    def move_to(self, minute: str) -> None:
        """Set the scheduler's clock."""
        self._loop.call_soon_threadsafe(self.clock.move_to, f"2026-03-02T{minute}:00Z")

    async def _serve(self, ready: threading.Event) -> None:
        store, outbound = open_store(self._data, [TASKS_SCHEMA, SCHEDULER_SCHEMA]), Outbound()
        signing = SigningSender(outbound, self.key)
        targets = JobRequestSender(signing)
        services = CloudTasks(store, signing, Limits()), CloudScheduler(store, targets, clock=self.clock)
        targets.router = Router([*signing.routes, *(route for service in services for route in service.routes)])
        grpc = GrpcTunnel(targets.router, LOCAL_TOKEN, load_or_create_certificate(self._data))
        server = Listener(RestServer(targets.router, LOCAL_TOKEN), grpc)
        self.url = f"http://127.0.0.1:{await server.bind('127.0.0.1', 0)}"
        for service in services:
            service.start()
        await server.listen()
        ready.set()
        await self._stopped.wait()
        await server.close()
        for service in services:
            await service.stop()
        outbound.close()
        store.close()


class Installation:
    """The functions with internal routes, their logs, and the cloud that calls them."""

    def __init__(self, cloud: Cloud, folder: Path, settings: Any, collection: httpx.Client) -> None:
        self.cloud = cloud
        self.folder = folder
        self.settings = settings
        self.collection = collection

    def internal_requests(self) -> list[str]:
        """Return the paths of the requests from Cloud Tasks and Cloud Scheduler, in order for each function."""
        lines = [line for log in self.folder.glob("*.log") for line in log.read_text().splitlines()]
        events = [json.loads(line) for line in lines if line.startswith("{")]
        paths = [event["path"] for event in events if event.get("action") == "request"]
        return [path for path in paths if path.startswith(("/cron", "/tasks"))]

    def has_requests(self, count: int) -> bool:
        """Return whether at least `count` internal requests have arrived."""
        return len(self.internal_requests()) >= count

    def tasks(self) -> list[str]:
        """Return the names of the undelivered tasks."""
        tasks = []
        for queue in ("collection", "embedding"):
            path = f"/v2/projects/demo/locations/here/queues/{queue}/tasks"
            response = httpx.get(self.cloud.url + path, headers=AUTHORIZATION, trust_env=False)
            tasks += response.json().get("tasks", [])
        return [task["name"] for task in tasks]


@pytest.fixture(scope="module")
def installation(
    module_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Installation]:
    register_model(module_database.admin_url, "constant", 384)
    folder = tmp_path_factory.mktemp("installation")
    ports = {name: free_port() for name in ("collection", "embedding")}
    with Cloud(folder / "cloud").running() as cloud:
        urls = {f"{name}_url": f"http://127.0.0.1:{port}" for name, port in ports.items()}
        settings = settings_for(module_database, **{**queue_settings(cloud.url), **urls, "watchdog_s": 1.0})
        environment = {name.upper(): str(getattr(settings, name)) for name in SETTINGS}
        create_all(settings)
        with (
            serve_function("collection", ports["collection"], environment, folder / "collection.log") as collection,
            serve_function("embedding", ports["embedding"], environment, folder / "embedding.log"),
        ):
            yield Installation(cloud, folder, settings, collection)


def collect(installation: Installation, folder: Path, **fields: str) -> str:
    """Add a source, collect it and wait until its tasks are delivered. Return its id."""
    repository = Repository(folder)
    repository.write({"a.md": "# A\n\ntext\n"})
    new = {"kind": "git", "name": "docs", "config": {"url": repository.url}, **fields}
    source = installation.collection.post("/api/sources", json=new).json()
    run_id = installation.collection.post(f"/api/sources/{source['id']}/collect").json()["run_id"]
    wait_until(lambda: installation.collection.get(f"/api/runs/{run_id}").json()["state"] == "succeeded")
    wait_until(lambda: not installation.tasks())
    return str(source["id"])


def test_idle_hour_after_a_collect_has_four_ticks_and_no_tasks(installation: Installation, tmp_path: Path) -> None:
    collect(installation, tmp_path / "docs", schedule="0 3 1 1 *")
    before = len(installation.internal_requests())
    assert before > 2, "requests of the collect"
    for count, minute in enumerate(TICKS, before + 1):
        installation.cloud.move_to(minute)
        wait_until(partial(installation.has_requests, count))
    assert installation.internal_requests()[before:] == ["/cron/tick"] * 4
    assert installation.tasks() == [], "no task is scheduled for later"


def test_tick_delivered_ten_times_starts_one_run(
    installation: Installation, module_database: FreshDatabase, tmp_path: Path
) -> None:
    source_id = collect(installation, tmp_path / "docs", schedule="0 3 * * *")
    owner = Database(module_database.admin_url, 1)
    with owner.transaction(ALL_WORKSPACES) as tx:
        tx.execute(
            sa.text("update headwater.schedules set next_due_at = now() - interval '1 min' where source_id = :s"),
            {"s": source_id},
        )
    owner.close()
    url = installation.settings.collection_url
    token = installation.cloud.key.sign_token(id_token(installation.settings.invoker_service_account, url, time.time()))
    headers = {"Authorization": f"Bearer {token}", "X-CloudScheduler": "true"}
    with ThreadPoolExecutor(10) as pool:
        responses = list(pool.map(lambda _: installation.collection.post("/cron/tick", headers=headers), range(10)))
    assert [response.status_code for response in responses] == [200] * 10
    [started] = [run for response in responses for run in response.json()["started"]]
    assert started["source_id"] == source_id
    assert [run for response in responses for run in response.json()["skipped"]] == []
    run = f"/api/runs/{started['run_id']}"
    wait_until(lambda: installation.collection.get(run).json()["state"] == "succeeded")
    assert installation.collection.get(run).json()["trigger"] == "schedule"
    assert len(installation.collection.get(f"/api/runs?source_id={source_id}").json()["runs"]) == 2
    assert installation.collection.post("/cron/tick").status_code == 401
