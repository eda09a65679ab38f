"""Plans of faults, drawn from a seed and the size of an undisturbed schedule. Pure.

Faults that need a narrow window are timed by steps done or provider calls, not by seconds: a step's commit is held open
while its process is killed; a call is unanswered, or has just been answered. A plan prints a line for each fault.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.fakes.embedding_provider import Answer

Engine = Literal["tickets", "drain", "bulk"]
"""Tickets alone; tickets with job workers beside them; first run handed to the job, as runs of many documents are."""

Corpus = Literal["git", "sources"]
"""One repository with many pages, or small sources of five other kinds."""

Kind = Literal["kill", "freeze", "disconnect", "refuse", "purge"]
Fate = Literal["lost", "doubled", "late", "unanswered", "refused"]
When = Literal["seconds", "done", "commit", "call", "answer", "request"]

REVISIONS: Mapping[Engine, Sequence[int]] = {"tickets": (0, 1, 2), "drain": (0, 2), "bulk": (1, 2)}
"""Which revisions of the repository are collected, one after the other."""

TARGETS = {
    "kill": ("collection", "collection", "embedding", "embedding", "localcloud", "postgres", "backend"),
    "freeze": ("collection", "embedding", "localcloud", "postgres", "backend"),
    "disconnect": ("postgres",),
    "refuse": ("all tables", "documents", "chunks", "vectors", "run_items", "steps", "tickets"),
    "purge": ("collection", "embedding"),
}
_KINDS: Sequence[Kind] = ("kill", "kill", "kill", "freeze", "freeze", "disconnect", "refuse", "purge")
_ANSWERS: Sequence[Answer] = (429, 500, 503, "hang", "half", "close")
_FATES: Sequence[Fate] = ("lost", "doubled", "late", "unanswered", "refused")
_ENGINES: Mapping[Corpus, Sequence[Engine]] = {
    "git": ("tickets", "bulk", "tickets", "drain", "tickets", "bulk", "tickets", "drain", "bulk"),
    "sources": ("tickets", "drain"),
}
_MOMENTS: Mapping[Corpus, Sequence[When]] = {
    "git": ("seconds", "done", "commit", "commit", "call", "answer"),
    "sources": ("seconds", "done", "commit", "commit", "call", "answer", "request", "request"),
}


_SECONDS, _TICKETS = 5.0, 30
"""About how long a schedule lasts and how many tickets it has: unlike its extent both differ from time to time."""


@dataclass(frozen=True)
class Extent:
    """The size of an undisturbed schedule. About equal for every measurement on the same corpus."""

    steps: int
    calls: int
    requests: int = 0


@dataclass(frozen=True)
class Moment:
    """When a fault happens: after a number of seconds, steps, calls or requests.

    `done`: soon after that many steps; `commit`: while the step's commit is held open; `call`: before the
    provider answers; `answer`: right after it has answered; `request`: before a site or feed answers.
    """

    when: When
    number: float

    def __str__(self) -> str:
        """Describe it in words."""
        if self.when == "seconds":
            return f"after {self.number:.1f} s"
        what = {"done": "after step", "commit": "in the commit of step", "call": "in call", "answer": "after call"}
        what["request"] = "in request"
        return f"{what[self.when]} {self.number:.0f}"


@dataclass(frozen=True)
class Fault:
    """One fault. `seconds` is its duration, 0 for an instant one."""

    moment: Moment
    kind: Kind
    target: str
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The fault's name in totals."""
        return f"{self.kind} {self.target}" if self.kind in ("kill", "freeze") else self.kind

    def __str__(self) -> str:
        """Describe it in words."""
        words = {"refuse": f"Postgres refuses writes (53100): {self.target}", "purge": f"purge queue {self.target}"}
        words["disconnect"] = "break every connection to Postgres"
        for_s = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.moment}: {words.get(self.kind, f'{self.kind} {self.target}')}{for_s}"


@dataclass(frozen=True)
class Plan:
    """The faults of one schedule. `answers` are the provider's by call, `fates` the tickets' in order of creation."""

    seed: int
    engine: Engine
    corpus: Corpus = "git"
    faults: Sequence[Fault] = ()
    answers: Mapping[int, Answer] | None = None
    fates: Mapping[int, tuple[Fate, float]] | None = None

    @property
    def needs_ticks(self) -> bool:
        """Return True if even the watchdog is lost, so that only Cloud Scheduler's tick can repair the run."""
        return any(fault.kind == "purge" for fault in self.faults)

    def __str__(self) -> str:
        """Describe it in words."""
        lines = [f"seed {self.seed}: {self.corpus} by {self.engine}"]
        lines += [f"  {fault}" for fault in self.faults]
        if self.answers:
            lines += ["  provider: " + ", ".join(f"call {n} {answer}" for n, answer in sorted(self.answers.items()))]
        if self.fates:
            fates = [f"{n} {fate}{f' by {s:.1f} s' if s else ''}" for n, (fate, s) in sorted(self.fates.items())]
            lines += ["  tickets: " + ", ".join(fates)]
        return "\n".join(lines)


def engine_of(seed: int, corpus: Corpus) -> Engine:
    """Return the engine of a seed's schedule. For Git: four of nine by tickets, three bulk, two draining."""
    engines = _ENGINES[corpus]
    return engines[seed % len(engines)]


def plan_of(seed: int, corpus: Corpus, extent: Extent, lease_s: float) -> Plan:
    """Draw the plan of a seed. It has at least one fault."""
    engine = engine_of(seed, corpus)
    rng = random.Random(f"plan {seed}")
    count = rng.choices((0, 1, 2, 3, 4), (1, 4, 4, 3, 1))[0]
    faults = [_fault(rng, engine, _MOMENTS[corpus], extent, lease_s) for _ in range(count)]
    answers: dict[int, Answer] = {}
    fates: dict[int, tuple[Fate, float]] = {}
    if rng.random() < 0.4 or not faults:
        calls = rng.sample(range(1, extent.calls + 1), min(extent.calls, rng.randint(1, 5)))
        answers = {call: rng.choice(_ANSWERS) for call in calls}
    if rng.random() < 0.4:
        often = rng.choice((0.15, 0.5))
        for number in range(1, _TICKETS + 1):
            if rng.random() < often:
                fate = rng.choice(_FATES)
                fates[number] = (fate, rng.uniform(0.2, 3.0) if fate == "late" else 0.0)
    return Plan(seed, engine, corpus, tuple(faults), answers, fates)


def _fault(rng: random.Random, engine: Engine, moments: Sequence[When], extent: Extent, lease_s: float) -> Fault:
    kind = rng.choice(_KINDS)
    targets = TARGETS[kind]
    if kind in ("kill", "freeze") and engine != "tickets":
        targets = (*targets, "job", "job", "job")
    target = rng.choice(targets)
    when = rng.choice(moments)
    most = {"done": extent.steps, "commit": extent.steps, "request": extent.requests}.get(when, extent.calls)
    if when == "seconds":
        number = rng.uniform(0, _SECONDS)
    else:  # the first and the last are rare and decisive
        number = float(rng.choice((rng.randint(1, most), rng.randint(1, most), 1, 2, most - 1, most)))
    seconds = 0.0
    if kind == "freeze":
        seconds = rng.choice((rng.uniform(0.3, lease_s), rng.uniform(1.2 * lease_s, 2 * lease_s)))
    elif kind == "refuse":
        seconds = rng.choice((rng.uniform(0.3, lease_s), rng.uniform(lease_s, 5 * lease_s)))
    return Fault(Moment(when, number), kind, target, seconds)
