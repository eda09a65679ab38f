"""Run a service, restart it when it exits, and kill it when it hangs. Used by `dev.py`, once per service."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from scripts.local.logs import ServiceLogs
from scripts.local.orphan_killer import OrphanKiller
from scripts.local.stack import Service, StackError

MIN_BACKOFF_S, MAX_BACKOFF_S = 0.25, 10.0
STABLE_AFTER_S = 30.0  # a service that has run this long is restarted without backoff
MAX_FAILED_STARTS = 7  # before the service is ready for the first time: about 20 s
START_TIMEOUT_S = 180.0
READINESS_INTERVAL_S = 0.1
HEALTH_INTERVAL_S, MAX_FAILED_HEALTH_CHECKS = 2.0, 4
MAX_LINE_BYTES = 1_000_000
# Delays exec until the orphan killer watches the process; otherwise our death in between would orphan it.
_WAIT_FOR_GO = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")


class ProcessSupervisor:
    """Keeps one service running until `stop_restarting` is called."""

    def __init__(
        self, service: Service, *, orphan_killer: OrphanKiller, logs: ServiceLogs, on_start: Callable[[], None]
    ) -> None:
        self.service = service
        self.pid: int | None = None
        self._was_ready = False
        self._stopping = asyncio.Event()
        self._orphan_killer = orphan_killer
        self._logs = logs
        self._on_start = on_start

    async def supervise(self) -> None:
        """Run the service again and again. Raises StackError if it exits repeatedly before it was ever ready."""
        backoff_s, failed_starts = MIN_BACKOFF_S, 0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            health_checks = asyncio.create_task(self._kill_if_hung())
            status = await run(self.service, orphan_killer=self._orphan_killer, logs=self._logs, on_start=self._set_pid)
            health_checks.cancel()
            self.pid = None
            if self._stopping.is_set():
                return
            failed_starts += not self._was_ready
            if failed_starts == MAX_FAILED_STARTS:
                raise StackError(f"{self.service.name} doesn't start. Its last lines above say why.")
            if time.monotonic() - started_at > STABLE_AFTER_S:
                backoff_s = MIN_BACKOFF_S
            self._logs.report(self.service.name, f"exited ({_exit_reason(status)}), restarting in {backoff_s:g} s")
            await self._sleep_unless_stopped(backoff_s)
            backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)

    def stop_restarting(self) -> dict[int, signal.Signals]:
        """Stop restarting the service. Returns the running process, if any, with its stop signal."""
        self._stopping.set()
        return {} if self.pid is None else {self.pid: self.service.stop_signal}

    async def wait_until_ready(self) -> None:
        """Poll the service until it is ready. Raises StackError after START_TIMEOUT_S."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.pid is None or (problem := await self.service.check_ready(self.pid)):
            if time.monotonic() > deadline:
                problem = problem if self.pid else "it isn't running"
                raise StackError(f"{self.service.name} is not ready after {START_TIMEOUT_S:g} s: {problem}")
            await asyncio.sleep(READINESS_INTERVAL_S)
        self._was_ready = True

    def _set_pid(self, pid: int) -> None:
        self.pid = pid
        if self._stopping.is_set():
            _kill_group(pid)
        self._on_start()

    async def _kill_if_hung(self) -> None:
        """Kill a service that can hang once several health checks in a row fail, after the first success or a time."""
        if not self.service.can_hang:
            return
        started_at = time.monotonic()
        while not await self._is_healthy() and time.monotonic() - started_at < START_TIMEOUT_S:
            await asyncio.sleep(HEALTH_INTERVAL_S)
        failures = 0
        while failures < MAX_FAILED_HEALTH_CHECKS:
            await asyncio.sleep(HEALTH_INTERVAL_S)
            failures = 0 if await self._is_healthy() else failures + 1
        if self.pid is not None:
            self._logs.report(self.service.name, "stopped answering")
            _kill_group(self.pid)

    async def _is_healthy(self) -> bool:
        try:
            async with asyncio.timeout(HEALTH_INTERVAL_S):
                return self.pid is not None and await self.service.check_ready(self.pid) is None
        except TimeoutError:
            return False

    async def _sleep_unless_stopped(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def run(
    service: Service,
    *,
    orphan_killer: OrphanKiller,
    logs: ServiceLogs,
    on_start: Callable[[int], None] = lambda _: None,
) -> int:
    """Run a process until it exits and log its output. Returns its exit status, negative for a signal."""
    output, output_writer = os.pipe()
    stdin, stdin_writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *_WAIT_FOR_GO,
        *service.command,
        stdin=stdin,
        stdout=output_writer,
        stderr=output_writer,
        env=dict(service.environment),
        start_new_session=True,
        **service.popen,
    )
    orphan_killer.watch(process.pid, service.stop_signal)
    os.write(stdin_writer, b"go\n")
    for descriptor in (stdin, stdin_writer, output_writer):
        os.close(descriptor)
    on_start(process.pid)
    # A pipe of our own: with asyncio's, wait() would not return while a child of the process keeps the pipe open.
    logging = asyncio.create_task(_log_output(output, service, logs))
    status = await process.wait()
    _kill_group(process.pid)  # its children would hold its port
    orphan_killer.forget(process.pid)
    await asyncio.wait({logging}, timeout=2)
    logging.cancel()
    return status


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _log_output(descriptor: int, service: Service, logs: ServiceLogs) -> None:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb")
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while line := await _read_line(reader):
            text = line.decode(errors="replace").rstrip()
            if not text.startswith(service.ignored_output):
                logs.add_output(service.name, text)
    finally:
        transport.close()


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:
        return b"(a line of more than a megabyte was left out)"


def _exit_reason(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
