"""A schedule: collect the corpus while a plan's faults happen, and compare the result.

The expected result is that of an undisturbed schedule of the same kind, on the same stack.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.corpora import corpus_of
from tests.chaos.faults import Disturbance, injected_faults
from tests.chaos.plans import Corpus, Engine, Extent, Plan, engine_of, plan_of
from tests.chaos.provider import Call
from tests.chaos.storage import Rows, Run, outages_ignored
from tests.chaos.world import LEASE_S, World

LIMIT_S = 240.0
"""The longest time of a run: a hundred times its time without faults, for busy machines."""

GRACE_S = 1.0
"""How long after a fault its target may still send texts that it had claimed."""

THAW_S = 10.0
"""The same for frozen processes: they may import the client only then, which takes seconds on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """The result of a schedule: the faults that happened, by name, and `differences`, which must be empty.

    Of the texts that were sent again, `starved` were because the machine was too busy for a lease or a time-out.
    """

    plan: Plan
    seconds: float
    injected: Sequence[str]
    sent: int
    sent_again: int
    starved: int
    differences: Sequence[str]


@dataclass
class ScheduleRunner:
    """Runs schedules in one stack and compares them with undisturbed ones."""

    world: World
    undisturbed: dict[tuple[Corpus, Engine], tuple[dict[str, Rows], Extent]] = field(default_factory=dict)

    def run(self, seed: int, corpus: Corpus = "git") -> Outcome:
        """Run the schedule of a seed."""
        engine = engine_of(seed, corpus)
        if (corpus, engine) not in self.undisturbed:
            self.undisturbed[corpus, engine] = self._measure(corpus, engine)
        expected, extent = self.undisturbed[corpus, engine]
        return self._run(plan_of(seed, corpus, extent, LEASE_S), expected)

    def _measure(self, corpus: Corpus, engine: Engine) -> tuple[dict[str, Rows], Extent]:
        outcome = self._run(Plan(0, engine, corpus), None)
        assert not outcome.differences, "\n".join(outcome.differences)
        world = self.world
        extent = Extent(world.storage.done(), len(world.provider.calls), world.servers.requests())
        return world.storage.contents(), extent

    def _run(self, plan: Plan, expected: dict[str, Rows] | None) -> Outcome:
        world = self.world
        world.begin(plan)
        corpus = corpus_of(world, plan.corpus)
        pulled = corpus.begin()
        began = time.monotonic()
        differences = []
        retried: set[str] = set()
        with injected_faults(world, plan) as injector:
            for revision in corpus.revisions(plan.engine):
                before: dict[str, str] = {}
                world.until(lambda before=before: before.update(world.storage.ids()))  # type: ignore[misc]
                corpus.show(revision)
                twice: set[str] = set()
                if not _collect(world, pulled, twice, drain=plan.engine == "drain"):
                    differences.append(f"the run of revision {revision} has not ended by itself: {_open_steps(world)}")
                    break
                differences += [f"{key} was found at its old key too, in revision {revision}" for key in sorted(twice)]
                differences += _lost_ids(world, before)
                world.until(lambda: retried.update(world.storage.retried()))
        seconds = time.monotonic() - began
        differences += injector.errors
        found: dict[str, Rows] = {}
        world.until(lambda: found.update(world.storage.contents()))
        if world.storage.open_work() != (0, 0):
            differences.append(f"(runs, steps) still open: {world.storage.open_work()}")
        if expected is not None:
            differences += compare(expected, found)
        again, starved, unexplained = sent_again(
            world.provider.calls, world.storage.stored_at(), injector.disturbances, retried
        )
        differences += unexplained
        sent = sum(len(call.texts) for call in world.provider.calls)
        faults = _fault_names(world, plan, injector.disturbances)
        return Outcome(plan, seconds, faults, sent, again, starved, differences)


def _fault_names(world: World, plan: Plan, disturbances: Sequence[Disturbance]) -> list[str]:
    """Name the faults that happened: those for which the schedule was long enough."""
    answers = [f"provider {answer}" for n, answer in (plan.answers or {}).items() if n <= len(world.provider.calls)]
    fates = [f"ticket {fate}" for n, (fate, _) in (plan.fates or {}).items() if n <= world.postbox.tickets]
    return [*(one.fault.name for one in disturbances), *answers, *fates]


def _lost_ids(world: World, before: Mapping[str, str]) -> list[str]:
    """Return the documents that have another id than before they moved or stayed."""
    lost: list[str] = []

    def compare_ids() -> None:
        after, moves = world.storage.ids(), world.storage.moves()
        sources = {key: old for old, key in moves}
        expected = {key: sources.get(key, key) for key in after if sources.get(key, key) in before}
        left = {old for old, _ in moves}
        lost[:] = [
            f"{key} has another id than {old} had"
            for key, old in expected.items()
            if after[key] != before[old] and (key in sources or key not in left)
        ]

    world.until(compare_ids)
    return lost


def _collect(world: World, source_ids: Sequence[str], twice: set[str], *, drain: bool) -> bool:
    """Collect the sources, retrying until the requests are accepted. Returns whether all runs ended.

    Adds to `twice` the documents that are at their old and their new key at any moment.
    """
    before: list[Run] = []
    world.until(lambda: before.extend(world.storage.runs()))
    known = {run.id for run in before}
    give_up_at = time.monotonic() + LIMIT_S
    is_drained = not drain
    while time.monotonic() < give_up_at:
        with outages_ignored():
            twice.update(world.storage.found_twice())
            runs = world.storage.runs()
            started = {run.source_id for run in runs if run.id not in known}
            if missing := [one for one in source_ids if one not in started]:
                world.call("POST", f"/api/sources/{missing[0]}/collect")
            elif all(run.state != "running" for run in runs) and world.storage.open_work() == (0, 0):
                return True
            elif not is_drained:
                world.drain()
                is_drained = True
        time.sleep(0.03)
    return False


def _open_steps(world: World) -> Rows:
    return world.storage.rows(
        "select kind, key, state, attempt, lost, fence, error, not_before - now(), lease_until - now()"
        " from headwater.steps where state in ('ready', 'running') limit 5"
    )


def compare(expected: Mapping[str, Rows], found: Mapping[str, Rows]) -> list[str]:
    """Return the differences, a few rows per table."""
    differences = []
    for table, rows in expected.items():
        if rows == found[table]:
            continue
        there, here = set(map(repr, rows)), set(map(repr, found[table]))
        differences += [f"{table}: missing {row[:500]}" for row in sorted(there - here)[:3]]
        differences += [f"{table}: unexpected {row[:500]}" for row in sorted(here - there)[:3]]
        if there == here:
            differences.append(f"{table}: {len(found[table])} rows instead of {len(rows)}, some of them twice")
    return differences


def sent_again(
    calls: Sequence[Call], stored_at: Mapping[str, float], disturbances: Sequence[Disturbance], retried: Set[str]
) -> tuple[int, int, list[str]]:
    """Count the texts that the provider received more than once, and return those without an explanation.

    A repetition is explained if the first call was not answered well, or was open during a disturbance: sent before its
    end, and repeated after its start. A stored text is only repeated by a process that was frozen with it. Repetitions
    that the ledger records as retries without a disturbance are due to a busy machine: the second number counts these.
    """
    sends: dict[str, list[Call]] = {}
    for call in calls:
        for text in call.texts:
            sends.setdefault(hashlib.sha256(text.encode()).hexdigest(), []).append(call)
    again, starved, unexplained = 0, 0, []
    for hash_, times in sends.items():
        stored = stored_at.get(hash_, float("inf"))
        for first, second in pairwise(sorted(times, key=lambda call: call.at)):
            again += 1
            if _explains(first, second, stored, disturbances):
                continue
            if hash_ in retried:
                starved += 1
            else:
                since = f"{second.at - first.at:.2f} s after the first, {second.at - stored:.2f} s after it was stored"
                unexplained.append(f"text {hash_[:8]} was sent again {since}")
    return again, starved, unexplained[:5]


def _explains(first: Call, second: Call, stored: float, disturbances: Sequence[Disturbance]) -> bool:
    freezes = [one for one in disturbances if one.fault.kind == "freeze"]
    if second.at > stored:
        return any(one.began <= second.at <= one.ended + THAW_S for one in freezes)
    return first.answer != "ok" or any(
        one.began <= second.at and first.at <= one.ended + (THAW_S if one in freezes else GRACE_S)
        for one in disturbances
    )
