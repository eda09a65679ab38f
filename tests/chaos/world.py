"""A whole stack under faults, started once for many schedules.

Postgres, localcloud, the functions `collection` and `embedding` and the job run as `scripts/dev` runs them, with leases
and a watchdog so short that repairs take seconds. The embedding model is the fake provider, the functions reach
localcloud through the postbox, and processes that die are restarted.
"""

import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.local.orphan_killer import OrphanKiller, terminate
from scripts.local.stack import DATABASE, Service, Stack
from tests.chaos.corpora import GitCorpus, SourcesCorpus
from tests.chaos.plans import Plan
from tests.chaos.postbox import Postbox, postbox
from tests.chaos.processes import RestartingProcess, job_workers, send
from tests.chaos.provider import RecordingProvider
from tests.chaos.revisions import Revisions, make_revisions
from tests.chaos.source_servers import SourceServers, source_servers
from tests.chaos.storage import Storage, outages_ignored
from tests.fakes.embedding_provider import embedding_provider
from tests.harness.ports import free_port
from tests.harness.stacks import PORTS, temporary_data, wait_until

LEASE_S = 3.0
WATCHDOG_S = 2.0
START_S = 90.0
STOP_S = 3.0
_RESOURCES = "projects/local/locations/local"

_SETTINGS = {
    "LEASE_S": f"{LEASE_S:g}",
    "WATCHDOG_S": f"{WATCHDOG_S:g}",
    "WORKER_BUDGET_S": "10",
    "DISPATCH_DEADLINE_S": "15",
    "JOB_PATIENCE_S": "5",
    "JOB_IDLE_S": "2",
    "MAX_JOB_WORKERS": "2",
    "FETCH_BATCH": "8",
    "EMBED_BATCH": "16",
    "EMBEDDING_MODEL": "openai:chaos",
    "EMBEDDING_DIM": "8",
    "EMBEDDING_TIMEOUT_S": "4",
    "AUTH_MODE": "local",
}


class World:
    """A running stack with its corpora, provider and postbox."""

    def __init__(
        self,
        stack: Stack,
        revisions: Revisions,
        servers: SourceServers,
        provider: RecordingProvider,
        orphan_killer: OrphanKiller,
        log: Path,
    ) -> None:
        self.stack = stack
        self.servers = servers
        self.git = GitCorpus(self, revisions)
        self.sources = SourcesCorpus(self, servers)
        self.provider = provider
        self.storage = Storage(stack.cluster, DATABASE)
        self.processes: dict[str, RestartingProcess] = {}
        self.postbox: Postbox
        self.log = log
        self.purged_at = 0.0
        self._orphan_killer = orphan_killer

    def start(self, box: Postbox) -> None:
        """Start everything in the order of `scripts/dev`."""
        self.postbox = box
        # No fsync: committed data is with the operating system, which survives a killed process.
        services = self.stack.services()
        unsynced = (*services["postgres"].command, "--fsync=off", "--full_page_writes=off")
        services["postgres"] = replace(services["postgres"], command=unsynced)
        own = {"TASKS_ENDPOINT": box.url}
        for name in ("localcloud", "collection", "embedding"):
            services[name] = replace(services[name], environment={**services[name].environment, **own})
        self._start(services["postgres"])
        wait_until(self.has_postgres, START_S)
        self.stack.cluster.execute(f"create database {DATABASE}")
        self._once(services["localcloud"], "functions.job", "migrate")
        self.storage.prepare()
        for name in ("localcloud", "collection", "embedding"):
            self._start(services[name])
        wait_until(lambda: self._answers("localcloud", "/heartbeat"), START_S)
        self._once(
            replace(services["localcloud"], environment=self.stack.environment()), "scripts.local.cloud_resources"
        )
        # A scheduled tick would repair what the watchdog has to repair.
        self.cloud("POST", f"/v1/{_RESOURCES}/jobs/headwater-tick:pause")
        for name in ("collection", "embedding"):
            wait_until(lambda name=name: self._answers(name, "/ready"), START_S)  # type: ignore[misc]

    def close(self) -> None:
        """Stop everything, Postgres last."""
        self.storage.forget()
        postgres = self.processes.pop("postgres").stop_restarting() if "postgres" in self.processes else {}
        signals = [one.stop_restarting() for one in self.processes.values()]
        terminate({pid: number for each in signals for pid, number in each.items()}, STOP_S)
        terminate(postgres, STOP_S)
        self.stack.cluster.destroy()

    def begin(self, plan: Plan) -> None:
        """Reset for a schedule: nothing of the last one runs, waits or is stored."""
        self.provider.begin({}, frozenset())
        self.postbox.begin({})
        wait_until(lambda: self._answers("localcloud", "/heartbeat"), START_S)
        # The functions believe that a purged watchdog ticket is still scheduled, until its time.
        time.sleep(max(0.0, self.purged_at + WATCHDOG_S - time.monotonic()))
        give_up_at = time.monotonic() + 10
        while workers := job_workers(self.processes["localcloud"].pid):
            if time.monotonic() > give_up_at:
                send(signal.SIGKILL, workers)
            time.sleep(0.05)
        wait_until(self.provider.is_quiet, START_S)
        self.until(self.storage.clear)
        for name in ("collection", "embedding"):
            wait_until(lambda name=name: self._answers(name, "/ready"), START_S)  # type: ignore[misc]
        moments = [fault.moment for fault in plan.faults]
        self.provider.begin(plan.answers or {}, frozenset(int(one.number) for one in moments if one.when == "call"))
        self.servers.hold(frozenset(int(one.number) for one in moments if one.when == "request"))
        self.postbox.begin(plan.fates or {})
        self.storage.hold([int(fault.moment.number) for fault in plan.faults if fault.moment.when == "commit"])

    def has_postgres(self) -> bool:
        """Return True if Postgres accepts connections."""
        return self.stack.cluster.is_ready(self.processes["postgres"].pid)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the collection function. Raises OSError if it does not answer, or answers with an error."""
        return self._ask("collection", method, path, body)

    def send(self, method: str, path: str, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send bytes to the collection function. Raises OSError as `call` does."""
        self._request("collection", method, path, content, headers or {})

    def cloud(self, method: str, path: str, body: Any = None) -> Any:
        """Call localcloud. Raises OSError."""
        return self._ask("localcloud", method, path, {} if body is None else body)

    def tick(self) -> None:
        """Run the tick now."""
        self.cloud("POST", f"/v1/{_RESOURCES}/jobs/headwater-tick:run")

    def purge(self, queue: str) -> None:
        """Purge a queue in localcloud."""
        self.purged_at = time.monotonic()
        self.cloud("POST", f"/v2/{_RESOURCES}/queues/{queue}:purge")

    def drain(self) -> None:
        """Run the job with two workers, which drain the ledger."""
        self.cloud("POST", f"/v2/{_RESOURCES}/jobs/headwater:run", {"overrides": {"taskCount": 2}})

    def until(self, attempt: Callable[[], object], timeout_s: float = START_S) -> None:
        """Retry something until Postgres and its other dependencies are back."""
        done = False

        def tried() -> bool:
            nonlocal done
            with outages_ignored():
                attempt()
                done = True
            return done

        wait_until(tried, timeout_s)

    def _start(self, service: Service) -> None:
        self.processes[service.name] = RestartingProcess(service, self._orphan_killer, self.log)

    def _once(self, like: Service, *module: str) -> None:
        environment = {**like.environment, "LOG_LEVEL": "WARNING"}
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", *module]
            subprocess.run(command, env=environment, stdout=output, stderr=output, check=True, **like.popen)

    def _answers(self, name: str, path: str) -> bool:
        try:
            self._ask(name, "GET", path)
        except OSError:
            return False
        return True

    def _ask(self, name: str, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return self._request(name, method, path, data, {"Content-Type": "application/json"})

    def _request(self, name: str, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        url = f"{self.stack.url(name)}{path}"
        headers = {"Authorization": f"Bearer {self.stack.token}", **headers}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
            return json.loads(content) if content else None
        except (ValueError, http.client.HTTPException) as error:  # it died while it answered
            raise OSError(f"{url} answers badly: {error}") from error


@contextmanager
def running_world(keep_log: Path | None = None) -> Iterator[World]:
    """Run a stack. Its output is in `keep_log`, or is discarded."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-chaos-")))
        data = stack.enter_context(temporary_data())
        revisions = make_revisions(folder / "repository")
        servers = stack.enter_context(source_servers(folder / "hooks"))
        provider = stack.enter_context(embedding_provider(RecordingProvider(dim=8)))
        given = {"EMBEDDING_BASE_URL": f"{provider.url}/v1", "BULK_THRESHOLD": str(revisions.bulk)}
        described = Stack(data, free_port(in_a_row=PORTS), _SETTINGS | given)
        box = stack.enter_context(postbox(described.port("localcloud")))
        orphan_killer = stack.enter_context(OrphanKiller())
        world = World(described, revisions, servers, provider, orphan_killer, keep_log or folder / "log")
        stack.callback(world.close)
        world.start(box)
        yield world
