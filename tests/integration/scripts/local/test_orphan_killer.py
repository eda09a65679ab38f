"""The orphan killer: a watched process ends with its parent, and so do its descendants."""

import signal
import subprocess
import sys

import psutil
import pytest

from scripts.local.orphan_killer import OrphanKiller

# Starts a child in a session of its own, which starts another, and both ignore SIGTERM; prints their pids.
IGNORING_SIGTERM = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]], start_new_session=True)
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
from scripts.local.orphan_killer import OrphanKiller
with OrphanKiller() as orphan_killer:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], "2", sys.argv[1]], start_new_session=True)
    orphan_killer.watch(child.pid)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_descendants_end_when_the_parent_is_killed(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, IGNORING_SIGTERM], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        family = [psutil.Process(int(parent.stdout.readline())) for _ in range(3)]
        parent.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []


def test_close_sends_the_stop_signal() -> None:
    program = "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(7))"
    command = [sys.executable, "-c", f"{program}; print(flush=True); time.sleep(60)"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process,
        OrphanKiller() as orphan_killer,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        orphan_killer.watch(process.pid, signal.SIGINT)
        orphan_killer.close()
        assert process.wait(timeout=60) == 7


def test_forgotten_process_keeps_running() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        with OrphanKiller() as orphan_killer:
            orphan_killer.watch(process.pid)
            orphan_killer.forget(process.pid)
        assert process.poll() is None
        process.kill()
