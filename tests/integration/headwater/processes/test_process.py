"""Child processes: a call ends within its limits, whatever the child does, and says why."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from headwater.config import minimal_environment
from headwater.errors import ConfigError, HeadwaterError, PermanentError
from headwater.processes.process import ChildProcess, ProcessEnded, ProcessFailed, ProcessOutOfMemory, ProcessStopped

MIB = 1024**2
FOREVER_S = 600.0


def misbehaving(memory_bytes: int = 100 * MIB) -> ChildProcess:
    target = "tests.fakes.processes:Misbehaving"
    return ChildProcess(target, (memory_bytes,), name="The child", environment=minimal_environment())


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    with misbehaving() as process:
        yield process


def call(process: ChildProcess, method: str, *arguments: Any, **limits: Any) -> Any:
    return process.call(method, *arguments, kind=object, **{"timeout_s": FOREVER_S, **limits})


def pid(process: ChildProcess) -> int:
    return process.call("pid", kind=int, timeout_s=FOREVER_S)


def test_process_is_kept_between_calls(child: ChildProcess) -> None:
    assert pid(child) == pid(child) != os.getpid()


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "message"),
    [
        ("allocate", (4 * 1024**3,), ProcessOutOfMemory, "needed more memory than allowed in 'allocate'"),
        ("allocate", (120 * MIB,), ProcessOutOfMemory, "needed more memory than allowed"),
        ("grow", (), ProcessOutOfMemory, "needed more memory than allowed in 'grow'"),
        ("die", (signal.SIGABRT,), ProcessOutOfMemory, "needed more memory than allowed in 'die'"),
        ("die", (signal.SIGKILL,), ProcessEnded, r"ended in 'die' \(signal 9\)"),
        ("die", (signal.SIGTERM,), ProcessEnded, r"ended in 'die' \(signal 15\)"),
        ("crash", (), ProcessEnded, r"ended in 'crash' \(signal 11\)"),
        ("leave", (), ProcessEnded, r"ended in 'leave' \(exit code 0\)"),
        ("close_its_pipe", (), ProcessEnded, "it closed the connection"),
        ("write_nonsense", (), PermanentError, "returned an invalid result"),
        ("nest", (), PermanentError, "returned an invalid result"),
        ("recurse", (), ProcessFailed, "RecursionError"),
    ],
)
def test_fault_is_reported_and_the_next_call_has_a_new_process(
    child: ChildProcess, method: str, arguments: tuple[Any, ...], kind: type[HeadwaterError], message: str
) -> None:
    first = pid(child)
    with pytest.raises(kind, match=message):
        call(child, method, *arguments)
    assert not psutil.pid_exists(first)
    assert pid(child) != first


def test_memory_within_the_limit_is_allowed(child: ChildProcess) -> None:
    assert call(child, "allocate", 60 * MIB) == 60 * MIB


def test_processor_time_is_limited_while_the_interpreter_is_held(child: ChildProcess) -> None:
    with pytest.raises(ProcessStopped, match=r"did not finish 'spin' within 0.3 s of processor time and was stopped"):
        call(child, "spin", cpu_s=0.3)
    assert pid(child)


def test_processor_time_is_counted_for_each_call(child: ChildProcess) -> None:
    """The limit of a call doesn't apply to a later call, nor to the time between them."""
    assert call(child, "allocate", MIB, cpu_s=0.5)
    with pytest.raises(ProcessStopped, match="within 2 s and was stopped"):
        call(child, "spin", timeout_s=2)


def test_sleeping_call_is_stopped_by_the_clock(child: ChildProcess) -> None:
    with pytest.raises(ProcessStopped, match="did not finish 'sleep' within 1 s and was stopped"):
        call(child, "sleep", cpu_s=FOREVER_S, timeout_s=1)


def test_caller_can_end_a_call_in_the_middle_of_a_message(child: ChildProcess) -> None:
    checks: list[None] = []

    def check() -> None:
        checks.append(None)
        if len(checks) > 10:
            raise PermanentError("The caller ended it.")

    first = pid(child)
    values = child.stream("stop_in_a_message", kind=object, timeout_s=FOREVER_S, max_bytes=MIB, while_waiting=check)
    with pytest.raises(PermanentError, match="The caller ended it"):
        next(values)
    assert not psutil.pid_exists(first)


def test_parent_runs_while_the_child_holds_its_interpreter(child: ChildProcess) -> None:
    """Order of events: the parent counts to a thousand before the child has used its processor time."""
    pid(child)
    events: list[object] = []

    def spin() -> None:
        with pytest.raises(ProcessStopped):
            call(child, "spin", cpu_s=1)
        events.append("stopped")

    thread = threading.Thread(target=spin)
    thread.start()
    events.extend(range(1000))
    thread.join()
    assert events == [*range(1000), "stopped"]


def test_process_whose_object_cannot_be_built_reports_the_reason() -> None:
    with misbehaving(memory_bytes=-1) as process, pytest.raises(ConfigError, match="The model is missing"):
        pid(process)


def test_process_that_ends_before_it_reads_its_arguments_fails_the_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments are too large for the buffer of a socket."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with ChildProcess("any:Class", (bytes(8 * MIB),), name="The child", environment={}) as process:
        process.start()
        with pytest.raises(ProcessEnded, match=r"^The child ended in 'pid' \(exit code 1\)\.$"):
            pid(process)


def test_process_has_no_variables_but_basic_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "ACME_TOKEN"):
        monkeypatch.setenv(name, "secret")
    with misbehaving() as process:
        names = set(call(process, "environment"))
    assert "PATH" in names
    assert {name for name in names if not name.startswith(("PYTHON", "LC_", "MALLOC_"))} <= {
        *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LD_LIBRARY_PATH")
    }


def test_process_inherits_no_socket_but_its_own() -> None:
    with socket.socket() as listener, open("/dev/null") as file:
        os.set_inheritable(listener.fileno(), True)
        os.set_inheritable(file.fileno(), True)
        with misbehaving() as process:
            assert call(process, "open_files") == ["socket"]


def test_process_ends_with_its_parent_while_it_is_spinning() -> None:
    program = (
        "import os, threading, time\n"
        "from tests.integration.headwater.processes.test_process import call, misbehaving, pid\n"
        "process = misbehaving()\n"
        "print(pid(process), flush=True)\n"
        "threading.Thread(target=call, args=(process, 'spin'), daemon=True).start()\n"
        "time.sleep(0.5)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(child):
        assert time.monotonic() < deadline, "the child is still there"
        time.sleep(0.02)
