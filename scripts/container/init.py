"""The first process of a container (PID 1): forwards signals to the supervisor and reaps processes without a parent.

The kernel gives PID 1 no default signal handlers and every orphan of the container. When it ends, all other processes
of the container are killed. The script `headwater` has blocked the forwarded signals since its first instruction.
"""

import os
import signal
import sys
from contextlib import suppress

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def become_init() -> None:
    """Go on in a child process, and stay its init. Does nothing unless this process is PID 1."""
    if os.getpid() != 1:
        return
    child = os.fork()
    if child:
        _serve(child)


def accept_signals() -> None:
    """Unblock the signals that the script `headwater` has blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _serve(child: int) -> None:
    """Wait until the child has ended, and exit with its status."""

    def forward(number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    accept_signals()
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)
