"""Run chaos schedules: `scripts/chaos` prints a line for each and a summary.

    scripts/chaos --schedules 500                    seeds 1 to 500
    scripts/chaos --first 17 --schedules 1           seed 17 again
    scripts/chaos --corpus sources                   a feed, a site, a mailbox, uploads and webhooks

Exits with 1 if a schedule's result differs from an undisturbed one. Its seed, its plan and the difference are printed,
and the log of its stack is kept.
"""

import argparse
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plans import Corpus
from tests.chaos.schedules import Outcome, ScheduleRunner
from tests.chaos.world import running_world


@dataclass
class Tally:
    """The results of all schedules, printed as they end."""

    outcomes: list[Outcome] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome, log: Path, verbose: bool) -> None:
        """Count a schedule and print its line, with details if its result differs."""
        with self.lock:
            self.outcomes.append(outcome)
            self.faults.update(outcome.injected)
            word = "DIFFERS" if outcome.differences else "ok"
            faults = f"{len(outcome.injected)} faults"
            texts = f"{outcome.sent} texts sent, {outcome.sent_again} again"
            print(
                f"{word} {outcome.plan.seed} {outcome.plan.engine} {outcome.seconds:.1f} s, {faults}, {texts}",
                flush=True,
            )
            if outcome.differences or verbose:
                print(outcome.plan, *outcome.differences, sep="\n  ", flush=True)
            if outcome.differences:
                again = f"--corpus {outcome.plan.corpus} --first {outcome.plan.seed} --schedules 1"
                print(f"  log: {log}\n  again: scripts/chaos {again}", flush=True)

    def summary(self, seconds: float) -> str:
        """Print the totals of all schedules."""
        wrong = [outcome.plan.seed for outcome in self.outcomes if outcome.differences]
        names = ("sent", "sent_again", "starved")
        sent, again, starved = (sum(getattr(one, name) for one in self.outcomes) for name in names)
        lines = [f"{len(self.outcomes)} schedules in {seconds:.0f} s, {len(wrong)} with a difference"]
        lines += [f"seeds that differ: {', '.join(map(str, wrong))}"] if wrong else []
        lines += [
            f"{sent:,} texts sent, {again:,} of them again: {again - starved:,} in flight at a fault, "
            f"{starved:,} because the machine was too busy for a lease or a time-out"
        ]
        return "\n".join([*lines, *(f"{n:6,} {kind}" for kind, n in sorted(self.faults.items()))])


def main() -> int:
    """Run schedules in several stacks at once."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description="Collect while everything goes wrong.")
    parser.add_argument("--schedules", type=int, default=12, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: %(default)s)")
    parser.add_argument("--worlds", type=int, default=1, help="stacks that run at once (default: %(default)s)")
    parser.add_argument("--corpus", choices=("git", "sources"), default="git", help="(default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="print every plan")
    options = parser.parse_args()
    seeds = iter(range(options.first, options.first + options.schedules))
    tally, began = Tally(), time.monotonic()
    logs = Path(tempfile.mkdtemp(prefix="headwater-chaos-log-"))
    worlds = [
        threading.Thread(target=_run, args=(seeds, options.corpus, tally, logs / f"{n}.log", options.verbose))
        for n in range(options.worlds)
    ]
    for world in worlds:
        world.start()
    for world in worlds:
        world.join()
    print(tally.summary(time.monotonic() - began), *tally.broken, sep="\n")
    return int(bool(tally.broken) or any(outcome.differences for outcome in tally.outcomes))


def _run(seeds: Iterator[int], corpus: Corpus, tally: Tally, log: Path, verbose: bool) -> None:
    try:
        with running_world(log) as world:
            runner = ScheduleRunner(world)
            while (seed := _next(seeds, tally.lock)) is not None:
                tally.add(runner.run(seed, corpus), log, verbose)
    except Exception:  # noqa: BLE001 - the boundary of a thread: the other worlds continue, and the exit code is 1
        tally.broken.append(f"a world broke; its log is {log}:\n{traceback.format_exc()}")


def _next(seeds: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(seeds, None)


if __name__ == "__main__":
    sys.exit(main())
