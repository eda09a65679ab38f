"""Start, supervise and stop the services of a stack.

Start order: Postgres, if the stack has its own; then the functions and the Worker, while migrations run; then
localcloud, whose tickets need the tables, and its queues, job and schedule. Services that exit are restarted.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import psutil

from scripts.local.logs import ServiceLogs
from scripts.local.orphan_killer import OrphanKiller, terminate
from scripts.local.process_supervisor import ProcessSupervisor, run
from scripts.local.stack import Stack, StackError, write_private_file

STOP_POSTGRES_S = 1.0


class StackSupervisor:
    """Starts and stops the services of one stack in order.

    `prepare_database` is called once the stack's own Postgres is ready. `stop_s`: the time after which services that
    have not ended are killed.
    """

    def __init__(
        self,
        stack: Stack,
        orphan_killer: OrphanKiller,
        logs: ServiceLogs,
        *,
        stop_s: float,
        prepare_database: Callable[[], None] = lambda: None,
    ) -> None:
        self._stack = stack
        self._orphan_killer = orphan_killer
        self._logs = logs
        self._stop_s = stop_s
        self._prepare_database = prepare_database
        self._services = stack.services()
        self._supervisors = {
            name: ProcessSupervisor(service, orphan_killer=orphan_killer, logs=logs, on_start=self._write_processes)
            for name, service in self._services.items()
        }

    async def run(self, on_ready: Callable[[], Awaitable[None]]) -> None:
        """Run all services until a signal. Raises StackError if one cannot start."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(self._start(group, on_ready))
                await stopped.wait()
                self._logs.report(self._stack.name, "stopping")
                starting.cancel()
                await self._stop()
        except* StackError as failed:
            await self._stop()
            raise failed.exceptions[0] from None

    async def _start(self, group: asyncio.TaskGroup, on_ready: Callable[[], Awaitable[None]]) -> None:
        if "postgres" in self._services:
            self._supervise(group, "postgres")
            await self._supervisors["postgres"].wait_until_ready()
            await asyncio.to_thread(self._prepare_database)
        for name in self._services.keys() - {"postgres", "localcloud"}:
            self._supervise(group, name)
        await self._run_to_end("migrate", "functions.job", "migrate")
        self._supervise(group, "localcloud")
        await self._supervisors["localcloud"].wait_until_ready()
        await self._run_to_end("resources", "scripts.local.cloud_resources")
        for supervisor in self._supervisors.values():
            await supervisor.wait_until_ready()
        await on_ready()

    def _supervise(self, group: asyncio.TaskGroup, name: str) -> None:
        group.create_task(self._supervisors[name].supervise())

    async def _run_to_end(self, name: str, *module: str) -> None:
        """Run one of our modules to its end."""
        template = self._services["localcloud"]
        environment = {**template.environment, "LOG_LEVEL": "WARNING"}
        service = replace(template, name=name, command=(sys.executable, "-m", *module), environment=environment)
        if await run(service, orphan_killer=self._orphan_killer, logs=self._logs):
            raise StackError(f"{name} failed. Its lines above say why.")

    async def _stop(self) -> None:
        """Stop all other services, and then Postgres, which they use until they end."""
        stop_signals = {name: supervisor.stop_restarting() for name, supervisor in self._supervisors.items()}
        postgres = stop_signals.pop("postgres", {})
        others = {pid: number for one in stop_signals.values() for pid, number in one.items()}
        await asyncio.to_thread(terminate, others, self._stop_s)
        await asyncio.to_thread(terminate, postgres, STOP_POSTGRES_S)

    def _write_processes(self) -> None:
        """Write processes.json for other tools and for the next start: URL, ports, process ids and start times."""
        pids = {"supervisor": os.getpid()} | {name: one.pid for name, one in self._supervisors.items()}
        processes = {
            "url": self._stack.url("edge"),
            "ports": {name: service.port for name, service in self._services.items()},
            "pids": pids,
            "started_at": {name: start_time(pid) for name, pid in pids.items()},
        }
        write_private_file(self._stack.data / "processes.json", json.dumps(processes, indent=2) + "\n")


def end_leftovers(stack: Stack) -> None:
    """End services of a supervisor that was killed together with its orphan killer."""
    try:
        processes = json.loads((stack.data / "processes.json").read_text())
    except FileNotFoundError:
        return
    pids, started_at = processes["pids"], processes.get("started_at", {})
    terminate({pid: signal.SIGINT for name, pid in pids.items() if pid and start_time(pid) == started_at.get(name)})


def start_time(pid: int | None) -> float | None:
    """Return when a process started, which together with its id identifies it; None if it has ended."""
    try:
        return None if pid is None else float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
