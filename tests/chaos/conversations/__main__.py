"""Run conversations with agents while their stack's processes are killed and frozen.

    python -m tests.chaos.conversations --conversations 200
    python -m tests.chaos.conversations --first 17 --conversations 1     seed 17 again

Each conversation is run twice, undisturbed and under faults. Exits with 1 if messages, files or orders differ, if a
client has missed an event or got one twice, or if anything is open at the end.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.conversations.faults import faults
from tests.chaos.conversations.trial import compare, plans_of, run_all
from tests.chaos.conversations.world import agent_world


def main() -> int:
    """Run a trial and print what was seen."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.conversations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--conversations", type=int, default=12, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=6, help="conversations at once (default: %(default)s)")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.conversations)
    folder = Path(tempfile.mkdtemp(prefix="headwater-chaos-log-"))
    with agent_world(folder / "log") as world:
        began = time.monotonic()
        calm = run_all(world, plans_of(seeds, "calm", world.orders.origin), at_once=options.at_once, leaves=False)
        calm_s, began = time.monotonic() - began, time.monotonic()
        plans = plans_of(seeds, "shaken", world.orders.origin)
        with faults(world, options.first) as injected:
            shaken = run_all(world, plans, at_once=options.at_once, leaves=True)
        seconds, open_work = time.monotonic() - began, world.wait_until_nothing_is_open()
        differing = 0
        for seed in seeds:
            differences = [*calm[f"calm-{seed}"].problems]
            differences += compare(calm[f"calm-{seed}"], shaken[f"shaken-{seed}"])
            differing += bool(differences)
            if differences:
                print(f"DIFFERS {seed}", *differences, sep="\n  ")
    print(
        f"{len(seeds)} conversations, {len(seeds) - differing} equal, in {seconds:.0f} s (undisturbed {calm_s:.0f} s)"
    )
    print(f"  load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"  calls of {sum(len(each.contents['calls']) for each in shaken.values())} tools, orders: "
        f"{sum(len(each.contents['orders']) for each in shaken.values())}"
    )
    print(f"  clients came back {sum(each.came_back for each in shaken.values())} times")
    print(f"  calls with side effects that were cut off: {sum(len(each.interrupted) for each in shaken.values())}")
    print(f"  programs that the model ran again: {sum(each.repeated for each in shaken.values())}")
    for name, count in sorted(injected.counts.items()):
        print(f"  {count:4} × {name}")
    print(f"  open at the end: {open_work or 'nothing'}")
    print(f"  log: {folder / 'log'}")
    return int(bool(differing or open_work))


if __name__ == "__main__":
    sys.exit(main())
