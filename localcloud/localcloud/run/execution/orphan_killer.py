"""Ends what localcloud started when localcloud has died, by whatever death: a process of its own, run by path.

    python leash.py LOCK GRACE_S

The ids of process groups flow in on stdin (`hold ID`, `release ID`). When the other end closes, every group still held
gets SIGTERM and, after the grace, SIGKILL. The lock is taken first and then held to the end, and `ready` is printed in
between: whoever waits for that line knows that nothing of an earlier localcloud still runs. `process` is the caller.
Imports nothing but the standard library, and little of that: it sleeps beside localcloud all the time.
"""

import fcntl
import os
import signal
import sys
import time

POLL_S = 0.05


def main() -> None:
    """Watch until the caller is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock_path, grace_s = sys.argv[1], float(sys.argv[2])
    with open(lock_path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            print("ready", flush=True)
        except BrokenPipeError:
            return
        held: set[int] = set()
        for line in sys.stdin:
            word, _, group = line.partition(" ")
            (held.add if word == "hold" else held.discard)(int(group))
        end(held, grace_s)


def end(groups: set[int], grace_s: float) -> None:
    """Send each group SIGTERM and, to what is left after the grace, SIGKILL."""
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; returns whether there is one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, when nothing but zombies is left
        return False
    return True


if __name__ == "__main__":
    main()
