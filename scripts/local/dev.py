"""Run the local stack until Ctrl-C: the command line behind `scripts/dev`.

Start order: Postgres; then the functions and the Worker, while migrations run; then localcloud, whose tickets need the
tables, and its queues, job and schedule. Services that exit are restarted. When this process ends, however it ends, all
services end.
"""

import argparse
import asyncio
import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from headwater.config import read_settings
from headwater.errors import ConfigError
from scripts.local.data_folder import lock_data_folder, make_private
from scripts.local.first_source import Api, add_first_source
from scripts.local.logs import Logs
from scripts.local.orphan_killer import OrphanKiller, terminate
from scripts.local.postgres import PostgresError
from scripts.local.process_supervisor import ProcessSupervisor, run
from scripts.local.stack import (
    BASE_PORT,
    DATABASE,
    HOST,
    OFFSETS,
    ROOT,
    Stack,
    StackError,
    write_private_file,
)

STOP_S = 3.0  # then the functions and the Worker are killed; with Postgres, all ends within five seconds
STOP_POSTGRES_S = 1.0


class StackSupervisor:
    """Starts and stops the services of one stack in order."""

    def __init__(self, stack: Stack, orphan_killer: OrphanKiller, logs: Logs, *, empty: bool) -> None:
        self._stack = stack
        self._orphan_killer = orphan_killer
        self._logs = logs
        self._empty = empty
        self._services = stack.services()
        self._supervisors = {
            name: ProcessSupervisor(service, orphan_killer=orphan_killer, logs=logs, on_start=self._write_processes)
            for name, service in self._services.items()
        }

    async def run(self) -> None:
        """Run all services until a signal. Raises StackError if one cannot start."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(self._start(group))
                await stopped.wait()
                self._logs.report("dev", "stopping")
                starting.cancel()
                await self._stop()
        except* StackError as failed:
            await self._stop()
            raise failed.exceptions[0] from None

    async def _start(self, group: asyncio.TaskGroup) -> None:
        self._supervise(group, "postgres")
        await self._supervisors["postgres"].wait_until_ready()
        await asyncio.to_thread(self._create_database)
        for name in self._services.keys() - {"postgres", "localcloud"}:
            self._supervise(group, name)
        await self._run_to_end("migrate", "functions.job", "migrate")
        self._supervise(group, "localcloud")
        await self._supervisors["localcloud"].wait_until_ready()
        await self._run_to_end("resources", "scripts.local.cloud_resources")
        for supervisor in self._supervisors.values():
            await supervisor.wait_until_ready()
        print(ready_message(self._stack), flush=True)
        await self._add_first_source()

    def _supervise(self, group: asyncio.TaskGroup, name: str) -> None:
        group.create_task(self._supervisors[name].supervise())

    async def _run_to_end(self, name: str, *module: str) -> None:
        """Run one of our modules to its end."""
        template = self._services["localcloud"]
        environment = {**template.environment, "LOG_LEVEL": "WARNING"}
        service = replace(template, name=name, command=(sys.executable, "-m", *module), environment=environment)
        if await run(service, orphan_killer=self._orphan_killer, logs=self._logs):
            raise StackError(f"{name} failed. Its lines above say why.")

    def _create_database(self) -> None:
        with contextlib.closing(self._stack.cluster.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            exists = cursor.fetchone()
        if not exists:
            self._stack.first_start_marker.touch()
            self._stack.cluster.execute(f"create database {DATABASE}")

    async def _add_first_source(self) -> None:
        """At the first start of a data folder, add Headwater's docs, so that a first question has an answer."""
        marker = self._stack.first_start_marker
        if not marker.exists():
            return
        if not self._empty and self._stack.environment()["AUTH_MODE"] == "local":
            api = Api(self._stack.url("edge"), self._stack.token)
            await add_first_source(api, ROOT, say=lambda line: self._logs.report("dev", line))
        marker.unlink()

    async def _stop(self) -> None:
        """Stop all other services, and then Postgres, which they use until they end."""
        stop_signals = {name: supervisor.stop_restarting() for name, supervisor in self._supervisors.items()}
        postgres = stop_signals.pop("postgres")
        others = {pid: number for one in stop_signals.values() for pid, number in one.items()}
        await asyncio.to_thread(terminate, others, STOP_S)
        await asyncio.to_thread(terminate, postgres, STOP_POSTGRES_S)

    def _write_processes(self) -> None:
        """Write processes.json for other tools and for the next start: URL, ports, process ids and start times."""
        pids = {"supervisor": os.getpid()} | {name: one.pid for name, one in self._supervisors.items()}
        processes = {
            "url": self._stack.url("edge"),
            "ports": {name: service.port for name, service in self._services.items()},
            "pids": pids,
            "started_at": {name: _start_time(pid) for name, pid in pids.items()},
        }
        write_private_file(self._stack.data / "processes.json", json.dumps(processes, indent=2) + "\n")


def ready_message(stack: Stack) -> str:
    """Return what is printed once every service is ready."""
    password = _short(stack.cluster.folder / "password")
    rows = {
        "API": f"{stack.url('edge')}/api/docs (token in {_short(stack.token_file)})",
        "Database": f"postgresql://postgres@{HOST}:{stack.port('postgres')}/{DATABASE} (password in {password})",
        "Logs": f"{_short(stack.logs)}/",
    }
    return "\n".join([f"ready {stack.app_url}", *(f"  {name:<10}{value}" for name, value in rows.items())])


def link_to_running(data: Path) -> str:
    """Return the web app's URL of the stack that runs on a data folder. Raises StackError if there is none."""
    try:
        processes = json.loads((data / "processes.json").read_text())
    except FileNotFoundError:
        raise StackError(f"Headwater isn't running on {data}. Start it, or name its folder with --data.") from None
    return Stack(data, processes["ports"]["edge"], {}).app_url


def _short(path: Path) -> str:
    """Return a path relative to the checkout if it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _start_time(pid: int | None) -> float | None:
    """Return when a process started, which together with its id identifies it; None if it has ended."""
    try:
        return None if pid is None else float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def end_leftovers(data: Path) -> None:
    """End services of a supervisor that was killed together with its orphan killer."""
    try:
        processes = json.loads((data / "processes.json").read_text())
    except FileNotFoundError:
        return
    pids, started_at = processes["pids"], processes.get("started_at", {})
    terminate({pid: signal.SIGINT for name, pid in pids.items() if pid and _start_time(pid) == started_at.get(name)})


def check_ports(stack: Stack) -> None:
    """Raise StackError if another process listens on one of the stack's ports."""
    in_use = []
    for name in OFFSETS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, stack.port(name)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise StackError(f"Port {stack.port(name)} ({name}) can't be used: {error.strerror}.") from error
                in_use.append(f"{stack.port(name)} ({name})")
    if in_use:
        are, other = ("Port", "is") if len(in_use) == 1 else ("Ports", "are"), 9000 if stack.base_port != 9000 else 9100
        raise StackError(
            f"{are[0]} {', '.join(in_use)} {are[1]} in use. Stop the other process or run `scripts/dev --port {other}`."
        )


def supervise(stack: Stack, *, empty: bool, verbose: bool) -> None:
    """Run a stack until it is stopped. Raises ConfigError for invalid settings before it starts any service."""
    make_private(stack.data)
    with lock_data_folder(stack.data) as lock:
        end_leftovers(stack.data)
        check_ports(stack)
        stack.cluster.prepare()
        settings = stack.settings()
        read_settings(settings)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
        write_private_file(stack.data / "env", "\n".join(lines) + "\n")
        names = (*OFFSETS, "migrate", "resources", "dev")
        with (
            contextlib.closing(Logs(stack.logs, names, verbose=verbose)) as logs,
            OrphanKiller(keep=(lock,)) as orphan_killer,
        ):
            asyncio.run(StackSupervisor(stack, orphan_killer, logs, empty=empty).run())
        (stack.data / "processes.json").unlink()


def main() -> None:
    """Parse the command line and run the stack. The options are described in the file `scripts/dev`."""
    parser = argparse.ArgumentParser(prog="scripts/dev", add_help=False)
    parser.add_argument("--port", type=int, default=BASE_PORT)
    parser.add_argument("--data", type=Path, default=ROOT / ".headwater", metavar="FOLDER")
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--embedding-model", metavar="NAME")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--link", action="store_true")
    options = parser.parse_args()
    os.umask(0o077)  # also for all services: no other user reads the files they create
    overrides = {"CHAT_MODEL": options.model, "EMBEDDING_MODEL": options.embedding_model}
    stack = Stack(options.data.resolve(), options.port, {name: value for name, value in overrides.items() if value})
    try:
        if options.link:
            print(link_to_running(stack.data))
        else:
            supervise(stack, empty=options.empty, verbose=options.verbose)
    except (StackError, PostgresError, ConfigError) as error:
        sys.exit(f"scripts/dev: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
