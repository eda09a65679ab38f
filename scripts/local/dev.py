"""`scripts/dev`: a data folder and a first port flow in, a running Headwater flows out, until Ctrl-C.

Start: Postgres, then its database and migrations while the functions and the Worker load, then localcloud (whose
tickets need the schema) and its queues, job and schedule. What dies is started again. Whatever way this process ends,
so do all others.
"""

import argparse
import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from scripts.local.orphan_killer import OrphanKiller, terminate
from scripts.local.postgres import PostgresError
from scripts.local.process_supervisor import Log, ProcessSupervisor, run
from scripts.local.stack import BASE_PORT, DATABASE, HOST, OFFSETS, ROOT, Stack, StackError, write_privately

STOP_S = 3.0  # until the functions and the Worker are killed; with Postgres after them, all is gone within five seconds
STOP_POSTGRES_S = 1.0
HANDOVER_S = 10.0


class Supervisor:
    """The supervisors of one stack."""

    def __init__(self, stack: Stack, orphan_killer: OrphanKiller) -> None:
        self._stack = stack
        self._orphan_killer = orphan_killer
        self._services = stack.services()
        self._log = Log([*self._services, "migrate", "resources", "dev"])
        self._supervisors = {
            name: ProcessSupervisor(service, orphan_killer=orphan_killer, log=self._log, on_start=self._write_processes)
            for name, service in self._services.items()
        }

    async def run(self) -> None:
        """Run everything until a signal; raises StackError when something can't start."""
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(self._start(group))
                await stopped.wait()
                self._log.say("dev", "stopping")
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
        await self._once("migrate", "functions.job", "migrate")
        self._supervise(group, "localcloud")
        await self._supervisors["localcloud"].wait_until_ready()
        await self._once("resources", "scripts.local.cloud_resources")
        for supervisor in self._supervisors.values():
            await supervisor.wait_until_ready()
        print(f"ready {self._stack.url('edge')}", flush=True)

    def _supervise(self, group: asyncio.TaskGroup, name: str) -> None:
        group.create_task(self._supervisors[name].supervise())

    async def _once(self, name: str, *module: str) -> None:
        """Run a command of ours to its end."""
        like = self._services["localcloud"]
        environment = {**like.environment, "LOG_LEVEL": "WARNING"}
        service = replace(like, name=name, command=(sys.executable, "-m", *module), environment=environment)
        if await run(service, orphan_killer=self._orphan_killer, log=self._log):
            raise StackError(f"{name} failed: its lines above say why")

    def _create_database(self) -> None:
        with contextlib.closing(self._stack.cluster.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            exists = cursor.fetchone()
        if not exists:
            self._stack.cluster.execute(f"create database {DATABASE}")

    async def _stop(self) -> None:
        """End all but Postgres, so that nobody misses it, and then Postgres."""
        held = {name: supervisor.stop_restarting() for name, supervisor in self._supervisors.items()}
        postgres = held.pop("postgres")
        others = {pid: number for one in held.values() for pid, number in one.items()}
        await asyncio.to_thread(terminate, others, STOP_S)
        await asyncio.to_thread(terminate, postgres, STOP_POSTGRES_S)

    def _write_processes(self) -> None:
        """Tell other tools, and tests, what runs where."""
        pids = {"supervisor": os.getpid()} | {name: supervisor.pid for name, supervisor in self._supervisors.items()}
        known = {
            "url": self._stack.url("edge"),
            "ports": {name: service.port for name, service in self._services.items()},
            "pids": pids,
            "born": {name: _born(pid) for name, pid in pids.items()},
        }
        write_privately(self._stack.data / "processes.json", json.dumps(known, indent=2) + "\n")


@contextlib.contextmanager
def alone(data: Path) -> Iterator[int]:
    """Hold the data folder's lock; yields its descriptor. Raises StackError while another supervisor has it."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("a+") as lock:
        give_up = time.monotonic() + HANDOVER_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip()
                # A supervisor that was killed leaves the lock to its orphan killer until that has ended everything.
                if _runs(holder) or time.monotonic() > give_up:
                    raise StackError(f"already running on {data} (process {holder}): stop it, or use --data") from None
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _born(pid: int | None) -> float | None:
    """Tell when a process started, which with its number makes it that one and no other."""
    try:
        return None if pid is None else float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def end_leftovers(data: Path) -> None:
    """End what still runs of a supervisor that was killed together with its orphan killer."""
    try:
        known = json.loads((data / "processes.json").read_text())
    except FileNotFoundError:
        return
    born = known["born"]
    terminate({pid: signal.SIGINT for name, pid in known["pids"].items() if pid and _born(pid) == born[name]})


def check_ports(stack: Stack) -> None:
    """Raise StackError naming every port that something else listens on."""
    taken = []
    for name in OFFSETS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, stack.port(name)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise StackError(f"port {stack.port(name)}, for {name}: {error.strerror}") from error
                taken.append(f"{stack.port(name)} ({name})")
    if taken:
        ports = "port is" if len(taken) == 1 else "ports are"
        raise StackError(f"{ports} taken: {', '.join(taken)}. Stop what listens there, or use --port")


def supervise(stack: Stack) -> None:
    """Run a stack until it is stopped."""
    with alone(stack.data) as lock:
        end_leftovers(stack.data)
        check_ports(stack)
        stack.cluster.prepare()
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(stack.settings().items())]
        write_privately(stack.data / "env", "\n".join(lines) + "\n")
        with OrphanKiller(keep=(lock,)) as orphan_killer:
            asyncio.run(Supervisor(stack, orphan_killer).run())
        (stack.data / "processes.json").unlink()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="scripts/dev",
        description="Run Headwater on this machine until Ctrl-C.",
        epilog="Settings, such as OPENAI_API_KEY, may come from the environment, from DATA/.env or from .env here.",
    )
    parser.add_argument("--port", type=int, default=BASE_PORT, help="first of six ports (default: %(default)s)")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".headwater", help="folder of all state (default: .headwater)"
    )
    parser.add_argument("--model", metavar="NAME", help="CHAT_MODEL: extractive, or provider:model with its key set")
    parser.add_argument("--embedding-model", metavar="NAME", help="EMBEDDING_MODEL (default: all-MiniLM-L6-v2)")
    options = parser.parse_args()
    given = {"CHAT_MODEL": options.model, "EMBEDDING_MODEL": options.embedding_model}
    stack = Stack(options.data.resolve(), options.port, {name: value for name, value in given.items() if value})
    try:
        supervise(stack)
    except (StackError, PostgresError) as error:
        sys.exit(f"scripts/dev: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
