"""Inject a plan's faults: each waits for its moment on a thread of its own.

Records when each fault was active, to explain texts that were sent twice.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from tests.chaos.plans import Fault, Moment, Plan
from tests.chaos.processes import job_workers, send
from tests.chaos.storage import TABLES, outages_ignored
from tests.chaos.world import World

TICK_S = 3.0
_POLL_S = 0.01


@dataclass(frozen=True)
class Disturbance:
    """A time span in which a fault was active, in seconds since the epoch."""

    fault: Fault
    began: float
    ended: float


@dataclass
class FaultInjector:
    """Injects the faults of one schedule and records them."""

    world: World
    plan: Plan
    disturbances: list[Disturbance] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> list[threading.Thread]:
        """Start a thread for each fault."""
        threads = [threading.Thread(target=self._run_fault, args=(fault,)) for fault in self.plan.faults]
        if self.plan.needs_ticks:
            threads.append(threading.Thread(target=self._tick))
        for thread in threads:
            thread.start()
        return threads

    def _run_fault(self, fault: Fault) -> None:
        try:
            victims = self._victims(fault) if self._wait_for(fault.moment) else None
            if victims is not None:
                began = time.time()
                self._inject(fault, victims)
                self.disturbances.append(Disturbance(fault, began, time.time()))
        except Exception as error:  # noqa: BLE001 - a fault that can't be injected must fail the schedule, not its thread
            self.errors.append(f"{fault}: {error!r}")
        finally:
            self.world.storage.forget()

    def _wait_for(self, moment: Moment) -> bool:
        """Wait for a moment. Returns False if the schedule ends before."""
        if moment.when == "seconds":
            return not self.over.wait(moment.number)
        counters: dict[str, Callable[[], int]] = {
            "done": self.world.storage.done,
            "commit": self.world.storage.done,
            "call": lambda: len(self.world.provider.calls),
            "answer": self.world.provider.answered,
            "request": self.world.servers.requests,
        }
        while not self.over.is_set():
            with outages_ignored():
                if counters[moment.when]() >= moment.number:
                    return True
            self.over.wait(_POLL_S)
        return False

    def _inject(self, fault: Fault, victims: list[psutil.Process]) -> None:
        match fault.kind:
            case "kill":
                send(signal.SIGKILL, victims)
                if fault.target in ("postgres", "backend"):
                    self._wait_for_postgres()
            case "freeze":
                send(signal.SIGSTOP, victims)
                self.over.wait(fault.seconds)
                send(signal.SIGCONT, victims)
            case "disconnect":
                with outages_ignored():
                    self.world.storage.rows(
                        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"
                    )
            case "refuse":
                tables = TABLES if fault.target == "all tables" else [fault.target]
                self.world.until(lambda: self.world.storage.fill(tables))
                self.over.wait(fault.seconds)
                self.world.until(self.world.storage.free)
            case "purge":
                with suppress(OSError):
                    self.world.purge(fault.target)

    def _victims(self, fault: Fault) -> list[psutil.Process] | None:
        """Return the processes that a fault targets, or None if the schedule ends before there are any."""
        if fault.kind not in ("kill", "freeze"):
            return []
        while not (victims := self._find(fault)):
            if self.over.wait(_POLL_S):
                return None
        return victims

    def _find(self, fault: Fault) -> list[psutil.Process]:
        """Return one process, or a process with its descendants."""
        rng = random.Random(f"{self.plan.seed} {fault}")
        match fault.target:
            case "job":
                found = job_workers(self.world.processes["localcloud"].pid)
                return rng.sample(found, min(1, len(found)))
            case "backend":
                found = [process for process in self.world.processes["postgres"].family() if _is_backend(process)]
                return rng.sample(found, min(1, len(found)))
            case "localcloud":
                return self.world.processes["localcloud"].family()[:1]
            case "postgres" if fault.kind == "kill":
                return self.world.processes["postgres"].family()[:1]  # its backends end by themselves
            case name:
                return self.world.processes[name].family()

    def _wait_for_postgres(self) -> None:
        while not self.over.wait(_POLL_S):
            with outages_ignored():
                self.world.storage.rows("select 1")
                return

    def _tick(self) -> None:
        while not self.over.wait(TICK_S):
            with suppress(OSError):
                self.world.tick()


def _is_backend(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "app" in " ".join(process.cmdline()).split()
    return False


@contextmanager
def injected_faults(world: World, plan: Plan) -> Iterator[FaultInjector]:
    """Inject a plan's faults. At the end, frozen processes continue and tables accept writes again."""
    injector = FaultInjector(world, plan)
    threads = injector.begin()
    try:
        yield injector
    finally:
        injector.over.set()
        for thread in threads:
            thread.join()
