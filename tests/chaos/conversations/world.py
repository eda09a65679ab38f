"""A stack for agents under faults: Postgres, localcloud, `chat` and `sandbox`, restarted when they die.

The commands are those of `scripts/dev`, with leases and a watchdog so short that repairs take seconds. `sandbox` runs
behind a check of ID tokens, as on Cloud Run. The provider of the models and the service for orders are on loopback.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from scripts.local.orphan_killer import OrphanKiller, terminate
from scripts.local.readiness import http_check
from scripts.local.stack import DATABASE, HOST, Service, Stack
from tests.chaos.conversations.orders import OrderService
from tests.chaos.processes import RestartingProcess
from tests.chaos.storage import Rows, Storage, outages_ignored
from tests.fakes.agent_provider import ScriptedProvider, scripted_provider
from tests.fakes.api_server import running
from tests.fakes.google_token import service_account_key
from tests.fakes.sandbox_service import AUDIENCE_VARIABLE, id_token
from tests.harness.chat_app import second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.extensions import declare_tool
from tests.harness.paths import ROOT
from tests.harness.ports import free_port
from tests.harness.stacks import PORTS, temporary_data, wait_until

TARGETS = ("chat", "localcloud", "postgres", "sandbox")
START_S = 120.0
STOP_S = 3.0
_SETTINGS = {
    "LEASE_S": "3",
    "WATCHDOG_S": "2",
    "WORKER_BUDGET_S": "10",
    "DISPATCH_DEADLINE_S": "15",
    "EMBEDDING_MODEL": "constant",
    "AUTH_MODE": "local",
    "CHAT_MODEL": "openai:fake",
    "CHAT_TITLES": "false",
    "AGENT_SECONDS": "3600",
    "MAX_TICKETS": "8",
    "OPENAI_API_KEY": "none",
}


class AgentWorld:
    """The running stack. `processes` has one for each of `TARGETS`."""

    def __init__(
        self, stack: Stack, provider: ScriptedProvider, orders: OrderService, orphan_killer: OrphanKiller, log: Path
    ) -> None:
        self.stack = stack
        self.provider = provider
        self.orders = orders
        self.storage = Storage(stack.cluster, DATABASE)
        self.processes: dict[str, RestartingProcess] = {}
        self.in_sandbox: set[psutil.Process] = set()
        """Processes that a killed `sandbox` has had below it. None may outlive it for long."""
        self._log = log
        self._orphan_killer = orphan_killer

    def start(self, site: Path, sandbox_port: int) -> None:
        """Start everything in the order of `scripts/dev`, with two documents."""
        services = self.stack.services()
        unsynced = (*services["postgres"].command, "--fsync=off", "--full_page_writes=off")
        self._start(replace(services["postgres"], command=unsynced))
        wait_until(lambda: self.stack.cluster.is_ready(self.processes["postgres"].pid), START_S)
        self.stack.cluster.execute(f"create database {DATABASE}")
        self._once("functions.job", "migrate")
        self._start(services["localcloud"])
        self._start(_sandbox(sandbox_port))
        own = {"PYTHONPATH": str(site), "GOOGLE_APPLICATION_CREDENTIALS": str(site / "key.json")}
        self._start(replace(services["chat"], environment={**services["chat"].environment, **own}))
        wait_until(lambda: self._answers(f"{self.stack.url('localcloud')}/heartbeat"), START_S)
        self._once("scripts.local.cloud_resources")
        wait_until(lambda: self._answers(f"http://{HOST}:{sandbox_port}/ready"), START_S)
        wait_until(lambda: self._answers(f"{self.url}/ready"), START_S)
        environment = self.stack.environment()
        database = FreshDatabase(DATABASE, environment["DATABASE_URL"], environment["DATABASE_ADMIN_URL"])
        with second_instance(database) as app:
            app.add_document("guides/install.md", "Install the compass with pip.\nIt needs Python.", title="Install")
            app.add_document("guides/use.md", "The compass shows north.", title="Use")
        with self.client() as client:
            approvals = {"grep_documents": "always", "place_order": "never"}
            client.patch("/api/chat/tools", json={"approvals": approvals}).raise_for_status()

    @property
    def url(self) -> str:
        """The chat function's address."""
        return self.stack.url("chat")

    def client(self) -> httpx.Client:
        """Return a client of the chat function."""
        headers = {"Authorization": f"Bearer {self.stack.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    def rows(self, statement: str, *values: Any) -> Rows:
        """Run a statement on the database, again and again while it is down."""
        found: list[Rows] = []

        def look() -> bool:
            with outages_ignored():
                found.append(self.storage.rows(statement, values))
            return bool(found)

        wait_until(look, START_S)
        return found[0]

    def until(self, ask: Callable[[httpx.Client], Any]) -> Any:
        """Return what a request returns, again and again while the function can't answer."""
        found: list[Any] = []

        def attempt() -> bool:
            with suppress(httpx.HTTPError), self.client() as client:
                found.append(ask(client))
            return bool(found)

        wait_until(attempt, START_S)
        return found[0]

    def victims(self, name: str) -> list[psutil.Process]:
        """Return the processes of a service, without programs of the sandbox and backends of Postgres."""
        family = self.processes[name].family()
        if name != "sandbox":
            return family[:1] if name in ("localcloud", "postgres") else family
        served = [process for process in family if _is_gunicorn(process)]
        self.in_sandbox.update(process for process in family if process not in served)
        return served

    def open_work(self) -> dict[str, Any]:
        """Return what is open; empty if nothing is."""
        counts = self.rows("""
            select (select count(*) from headwater.agents),
              (select count(*) from headwater.steps where state in ('ready', 'running')),
              (select count(*) from headwater.steps where lease_until is not null and state = 'running'),
              (select count(*) from headwater.runs where state = 'running'),
              (select count(*) from headwater.messages where state = 'streaming'),
              (select count(*) from headwater.tickets where expires_at > now())
        """)[0]
        names = ("agents", "steps", "leases", "runs", "answers", "tickets")
        found: dict[str, Any] = {name: count for name, count in zip(names, counts, strict=True) if count}
        family = self.processes["sandbox"].family()
        programs = {process for process in family if not _is_gunicorn(process)} | self.in_sandbox
        if alive := [process.pid for process in programs if process.is_running()]:
            found["processes in the sandbox"] = alive
        return found

    def wait_until_nothing_is_open(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """Return what is still open when the time is up; empty if nothing is."""
        until = time.monotonic() + timeout_s
        while (found := self.open_work()) and time.monotonic() < until:
            time.sleep(0.2)
        return found

    def close(self) -> None:
        """Stop everything, Postgres last."""
        self.storage.forget()
        postgres = self.processes.pop("postgres").stop_restarting() if "postgres" in self.processes else {}
        signals = [one.stop_restarting() for one in self.processes.values()]
        terminate({pid: number for each in signals for pid, number in each.items()}, STOP_S)
        terminate(postgres, STOP_S)
        self.stack.cluster.destroy()

    def _start(self, service: Service) -> None:
        self.processes[service.name] = RestartingProcess(service, self._orphan_killer, self._log)

    def _once(self, *module: str) -> None:
        environment = {**self.stack.environment(), "LOG_LEVEL": "WARNING"}
        with self._log.open("ab") as output:
            command = [sys.executable, "-m", *module]
            subprocess.run(command, env=environment, cwd=ROOT, stdout=output, stderr=output, check=True)

    def _answers(self, url: str) -> bool:
        try:
            return httpx.get(url, timeout=20, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def _sandbox(port: int) -> Service:
    command = [sys.executable, "-m", "gunicorn", "--config=python:functions.sandbox.gunicorn_config"]
    command += [f"--bind={HOST}:{port}", "tests.fakes.sandbox_service:application"]
    return Service(
        name="sandbox",
        port=port,
        command=tuple(command),
        environment={**os.environ, AUDIENCE_VARIABLE: f"http://{HOST}:{port}"},
        check_ready=http_check(port, "/ready"),
        popen={"cwd": ROOT},
    )


def _is_gunicorn(process: psutil.Process) -> bool:
    try:
        return "gunicorn" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@contextmanager
def agent_world(log: Path) -> Iterator[AgentWorld]:
    """Run the stack. Its output is added to `log`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headwater-chaos-")))
        data, site, sandbox_port = stack.enter_context(temporary_data()), folder / "site", free_port()
        provider = stack.enter_context(scripted_provider())
        orders = stack.enter_context(running(OrderService()))
        orders.id_token = id_token(f"http://{HOST}:{sandbox_port}")
        declare_tool(site, "place_order", "tests.chaos.conversations.orders:PlaceOrder")
        (site / "key.json").write_text(service_account_key(f"{orders.origin}/token"))
        given = {"OPENAI_BASE_URL": f"{provider.url}/v1", "SANDBOX_URL": f"http://{HOST}:{sandbox_port}"}
        described = Stack(data, free_port(in_a_row=PORTS), _SETTINGS | given)
        orphan_killer = stack.enter_context(OrphanKiller())
        world = AgentWorld(described, provider, orders, orphan_killer, log)
        stack.callback(world.close)
        world.start(site, sandbox_port)
        yield world
