"""Garbage collection of our processes: rarer while they run, none at their end."""

import subprocess
import sys

from headwater.processes.garbage import THRESHOLD

PROGRAM = """
import atexit, gc
from headwater.processes.garbage import collect_garbage_less_often

atexit.register(lambda: print(gc.get_freeze_count() > 0))  # runs last
collect_garbage_less_often()
print(gc.get_threshold()[0], gc.get_freeze_count())
"""


def test_process_collects_less_often_and_exits_with_its_objects_frozen() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(THRESHOLD), "0", "True"]
