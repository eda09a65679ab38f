"""Keeps services running: descriptions flow in, processes and their log lines flow out; `supervise.py` calls this."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from typing import Any

from scripts.local.orphan_killer import OrphanKiller
from scripts.local.stack import Service, StackError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
STEADY_S = 30.0  # who has run this long is restarted at once
MAX_FALSE_STARTS = 7  # before the first time that a service is ready: about 20 s
START_TIMEOUT_S = 180.0
PROBE_EVERY_S = 0.1
SILENCE_S, MAX_SILENCES = 2.0, 4
LONGEST_LINE = 1_000_000
# Waits until the orphan killer watches the process: there is no moment at which our death would leave it behind.
_GATE = ("/bin/sh", "-c", 'read -r held && exec "$@" </dev/null', "sh")
_HIDDEN = {"message", "severity", "logger", "action", "time", "timestamp", "stack_trace"}
_COLOURS = cycle((36, 32, 33, 35, 34, 96, 92, 95))


class Log:
    """Prints lines behind a name each, coloured on a terminal."""

    def __init__(self, names: list[str]) -> None:
        self._width = max(map(len, names))
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours = {name: next(_COLOURS) for name in names} if coloured else {}

    def say(self, name: str, line: str) -> None:
        """Print one line of a service, or of the supervisor itself."""
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        print(f"{prefix} {readable(line)}", flush=True)


def readable(line: str) -> str:
    """Turn a JSON log line into one that people read; leave any other as it is."""
    try:
        entry: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return line
    if "message" not in entry:
        return line
    severity = str(entry.get("severity", "INFO"))
    fields = [f"{name}={value}" for name, value in entry.items() if name not in _HIDDEN and "." not in name]
    words = [*([] if severity == "INFO" else [severity]), str(entry["message"]), *fields]
    # What is only a warning was foreseen: its message is enough.
    trace = entry.get("stack_trace", "").splitlines() if severity in {"ERROR", "CRITICAL"} else []
    return "\n    ".join([" ".join(words), *trace])


class ProcessSupervisor:
    """Runs one service and starts it again whenever it ends, until it is told to let it end."""

    def __init__(
        self, service: Service, *, orphan_killer: OrphanKiller, log: Log, on_start: Callable[[], None]
    ) -> None:
        self.service = service
        self.pid: int | None = None
        self._was_ready = False
        self._over = asyncio.Event()
        self._orphan_killer = orphan_killer
        self._log = log
        self._on_start = on_start

    async def supervise(self) -> None:
        """Start the service over and over; raises StackError when it can't even start once."""
        pause_s, false_starts = FIRST_PAUSE_S, 0
        while not self._over.is_set():
            began = time.monotonic()
            watching = asyncio.create_task(self._watch())
            status = await run(self.service, orphan_killer=self._orphan_killer, log=self._log, on_pid=self._started)
            watching.cancel()
            self.pid = None
            if self._over.is_set():
                return
            false_starts += not self._was_ready
            if false_starts == MAX_FALSE_STARTS:
                raise StackError(f"{self.service.name} doesn't start: its last lines above say why")
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._log.say(self.service.name, f"ended ({_reason(status)}), starting it again in {pause_s:g} s")
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def stop_restarting(self) -> dict[int, signal.Signals]:
        """Start the service no more; returns the process that is to be ended, if one runs, with its stop signal."""
        self._over.set()
        return {} if self.pid is None else {self.pid: self.service.stop_signal}

    async def wait_until_ready(self) -> None:
        """Ask the service until it is ready; raises StackError when that takes too long."""
        give_up = time.monotonic() + START_TIMEOUT_S
        while self.pid is None or (wrong := await self.service.is_ready(self.pid)):
            if time.monotonic() > give_up:
                wrong = wrong if self.pid else "doesn't run"
                raise StackError(f"{self.service.name} is not ready after {START_TIMEOUT_S:g} s: {wrong}")
            await asyncio.sleep(PROBE_EVERY_S)
        self._was_ready = True

    def _started(self, pid: int) -> None:
        self.pid = pid
        if self._over.is_set():
            _kill_group(pid)
        self._on_start()

    async def _watch(self) -> None:
        """Once it has answered, kill a service that may hang when it is silent several times in a row."""
        if not self.service.may_hang:
            return
        while await self._is_silent():
            await asyncio.sleep(SILENCE_S)
        silences = 0
        while silences < MAX_SILENCES:
            await asyncio.sleep(SILENCE_S)
            silences = silences + 1 if await self._is_silent() else 0
        if self.pid is not None:
            self._log.say(self.service.name, "doesn't answer any more")
            _kill_group(self.pid)

    async def _is_silent(self) -> bool:
        try:
            async with asyncio.timeout(SILENCE_S):
                return self.pid is None or await self.service.is_ready(self.pid) is not None
        except TimeoutError:
            return True

    async def _pause(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._over.wait()


async def run(
    service: Service, *, orphan_killer: OrphanKiller, log: Log, on_pid: Callable[[int], None] = lambda _: None
) -> int:
    """Run a process to its end, printing what it prints; returns its exit status, negative for a signal."""
    reading, writing = os.pipe()
    gate, gatekeeper = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *_GATE,
        *service.command,
        stdin=gate,
        stdout=writing,
        stderr=writing,
        env=dict(service.environment),
        start_new_session=True,
        **service.popen,
    )
    orphan_killer.watch(process.pid, service.stop_signal)
    os.write(gatekeeper, b"held\n")
    for descriptor in (gate, gatekeeper, writing):
        os.close(descriptor)
    on_pid(process.pid)
    # Our own pipe, since asyncio's would count the process as running while anything it started keeps it open.
    printing = asyncio.create_task(_print(reading, service.name, log))
    status = await process.wait()
    _kill_group(process.pid)  # what it left behind holds its port
    orphan_killer.forget(process.pid)
    await asyncio.wait({printing}, timeout=2)
    printing.cancel()
    return status


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _print(descriptor: int, name: str, log: Log) -> None:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    pipe = os.fdopen(descriptor, "rb")
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while line := await _line(reader):
            log.say(name, line.decode(errors="replace").rstrip())
    finally:
        transport.close()


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:
        return b"(a line of more than a megabyte was left out)"


def _reason(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
