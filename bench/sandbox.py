"""Measure how long a sandbox takes to start, and searches while twenty run programs.

    python -m bench.sandbox [--starts N] [--seconds S]

Each launcher starts `true` in a sandbox, one after another, beside Python alone in the same run. Then the local stack
answers searches, one after another: idle, and while twenty sandboxes use all the processor time that they get.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from bench.busy_instance import report
from bench.hostile import Measured
from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import Sandbox, find_sandbox
from tests.harness.stacks import RunningStack, running_stack, temporary_data

AT_ONCE = 20


def durations_of(call: Callable[[], object], times: int) -> list[float]:
    """Return the seconds that each call takes."""
    durations = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        durations.append(time.perf_counter() - started)
    return durations


def measure_starts(starts: int) -> None:
    """Report how long commands that do nothing take."""
    kinds: dict[str, Callable[[], object]] = {
        "Python alone": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "by bubblewrap": lambda: Sandbox("bubblewrap").run(["true"], {}, Limits()),
        "by system calls": lambda: Sandbox("system calls").run(["true"], {}, Limits()),
    }
    report({name: durations_of(call, starts) for name, call in kinds.items()})


def measure_searches(stack: RunningStack, seconds: float) -> None:
    """Report searches, idle and beside sandboxes."""
    limits = Limits(seconds=seconds)
    with (
        httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        calls = {"search": lambda: client.get("/api/search", params={"q": "How are documents removed?"})}
        idle = Measured(calls)
        while idle.run() < 100:
            continue
        print("idle:")
        report(idle.durations)
        busy = [
            pool.submit(find_sandbox().run, ["python3", "-c", "while True: pass"], {}, limits) for _ in range(AT_ONCE)
        ]
        beside = Measured(calls)
        while not any(one.done() for one in busy):
            beside.run()
        print(f"beside {AT_ONCE} sandboxes:")
        report(beside.durations)
        assert {one.result().reason for one in busy} == {"time"}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.sandbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=50, help="of each launcher; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=20, help="that the programs run; default: %(default)s")
    options = parser.parse_args()
    measure_starts(options.starts)
    with temporary_data() as data:
        data.mkdir()
        with running_stack(data, first_source=True) as stack:
            measure_searches(stack, options.seconds)


if __name__ == "__main__":
    main()
