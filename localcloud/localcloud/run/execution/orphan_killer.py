"""Ends job processes after localcloud has died, even by `kill -9`: a separate process, run by path.

    python orphan_killer.py LOCK GRACE_S

It reads process group IDs from stdin (`add ID`, `remove ID`). When stdin closes, all added groups get SIGTERM and,
after the grace period, SIGKILL. It locks the file LOCK until it exits. It prints `ready` once it has the lock: then no
process of an earlier localcloud is running any more. It imports little, since it runs as long as localcloud.
"""

import fcntl
import os
import signal
import sys
import time

POLL_S = 0.05


def main() -> None:
    """Track process groups until stdin closes, then end them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock_path, grace_s = sys.argv[1], float(sys.argv[2])
    with open(lock_path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            print("ready", flush=True)
        except BrokenPipeError:
            return
        groups: set[int] = set()
        for line in sys.stdin:
            word, _, group = line.partition(" ")
            (groups.add if word == "add" else groups.discard)(int(group))
        end(groups, grace_s)


def end(groups: set[int], grace_s: float) -> None:
    """Send SIGTERM to each group, and SIGKILL to those that still exist after the grace period."""
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group. Return False if it does not exist."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, if only zombies are left
        return False
    return True


if __name__ == "__main__":
    main()
