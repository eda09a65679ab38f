"""Kill and freeze the processes of a stack of agents, one after the other, by a seed."""

import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.conversations.world import TARGETS, AgentWorld
from tests.chaos.processes import send

PAUSE_S = (0.3, 2.5)
FREEZE_S = (0.3, 6.0)
"""For less and for more than a lease of 3 s."""


@dataclass
class Faults:
    """Injects faults on a thread. `counts` are those that happened, by name, such as `kill chat`."""

    world: AgentWorld
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Inject faults until `over` is set, in the order of the seed: each kind and target comes as often."""
        rng = random.Random(f"faults {self.seed}")
        while not self.over.is_set():
            round_ = [(kind, target) for kind in ("kill", "freeze") for target in TARGETS]
            rng.shuffle(round_)
            for kind, target in round_:
                if self.over.wait(rng.uniform(*PAUSE_S)):
                    return
                self._inject(kind, target, rng.uniform(*FREEZE_S))

    def _inject(self, kind: str, target: str, freeze_s: float) -> None:
        victims = self.world.victims(target)
        if not victims:  # it is just starting
            return
        self.counts[f"{kind} {target}"] += 1
        if kind == "kill":
            send(signal.SIGKILL, victims)
            return
        if target == "postgres":
            victims = self.world.processes[target].family()
        send(signal.SIGSTOP, victims)
        self.over.wait(freeze_s)
        send(signal.SIGCONT, victims)


@contextmanager
def faults(world: AgentWorld, seed: int) -> Iterator[Faults]:
    """Inject faults until the block ends."""
    injected = Faults(world, seed)
    thread = threading.Thread(target=injected.run)
    thread.start()
    try:
        yield injected
    finally:
        injected.over.set()
        thread.join()
