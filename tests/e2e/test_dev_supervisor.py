"""`scripts/dev`: what it starts, what it refuses, what it starts again, and that nothing is left when it ends."""

import json
import shlex
import signal
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.paths import ROOT
from tests.harness.ports import free_port, is_free
from tests.harness.stacks import FUNCTIONS, RunningStack, running_stack, temporary_data, wait_until

PARTS = ("edge", *FUNCTIONS, "localcloud", "postgres")


@pytest.fixture(scope="module")
def own() -> Iterator[RunningStack]:
    """A stack that tests may hurt."""
    with temporary_data() as data, running_stack(data, "--embedding-model", "constant") as running:
        yield running


def dev(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `scripts/dev` where it's expected to refuse."""
    return subprocess.run(
        [ROOT / "scripts" / "dev", *arguments], capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )


def answers(stack: RunningStack, part: str, path: str) -> bool:
    try:
        stack.get(part, path)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


def test_every_part_answers_when_it_says_ready(own: RunningStack) -> None:
    assert json.loads(own.get("edge", "/env"))["authMode"] == "local"
    assert b"<html" in own.get("edge", "/").lower()
    for part in FUNCTIONS:
        own.get(part, "/heartbeat")
        own.get(part, "/ready")
    own.get("localcloud", "/heartbeat")


def test_it_tells_what_runs_where(own: RunningStack) -> None:
    assert set(own.pids) == {"supervisor", *PARTS}
    assert own.pids["supervisor"] == own.supervisor.pid
    assert sorted(own.ports.values()) == list(range(own.base_port, own.base_port + 6))
    assert all(psutil.pid_exists(pid) for pid in own.pids.values())


def test_the_settings_can_be_taken_into_a_shell(own: RunningStack) -> None:
    file = own.data / "env"
    assert file.stat().st_mode & 0o077 == 0
    command = f". {shlex.quote(str(file))} && exec .venv/bin/python -m functions.job migrate"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "embedding model constant" in done.stdout


def test_secrets_stay_readable_to_their_owner_alone(own: RunningStack) -> None:
    for name in ("env", "secrets.json", "pg/password"):
        assert (own.data / name).stat().st_mode & 0o077 == 0, name


def test_a_second_one_on_the_same_data_is_refused(own: RunningStack) -> None:
    done = dev("--data", own.data, "--port", str(free_port()))
    assert done.returncode != 0
    assert f"already running on {own.data} (process {own.supervisor.pid})" in done.stderr
    assert answers(own, "chat", "/ready")


def test_a_taken_port_is_named(own: RunningStack) -> None:
    with temporary_data() as data:
        done = dev("--data", data, "--port", str(own.base_port - 1))
    assert done.returncode != 0
    assert f"{own.base_port} (chat)" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_what_is_killed_is_started_again(own: RunningStack, part: str) -> None:
    own.kill(part)
    path = {"edge": "/env", "localcloud": "/heartbeat"}.get(part, "/ready")
    wait_until(lambda: answers(own, "chat" if part == "postgres" else part, path))
    assert f"{part:<10} | ended (killed by SIGKILL), starting it again".encode() in own.log.read_bytes()


def test_a_worker_whose_runtime_crashed_answers_again(own: RunningStack) -> None:
    for process in own.family():
        if process.name() == "workerd":
            process.kill()
    wait_until(lambda: answers(own, "edge", "/env"))


def test_ctrl_c_ends_everything() -> None:
    with temporary_data() as data, running_stack(data, "--embedding-model", "constant") as stack:
        family = stack.family()
        assert len(family) >= 2 * len(PARTS)
        stack.supervisor.send_signal(signal.SIGINT)
        assert stack.supervisor.wait(timeout=60) == 0
        assert gone(family)
        assert all(map(is_free, range(stack.base_port, stack.base_port + 6)))


def test_what_outlives_supervisor_and_watcher_is_ended_by_the_next_start() -> None:
    with temporary_data() as data, running_stack(data, "--embedding-model", "constant") as stack:
        family = stack.family()
        (watcher,) = [process for process in family if "scripts.local.orphan_killer" in process.cmdline()]
        stack.supervisor.kill()
        watcher.kill()
        stack.supervisor.wait()
        assert not gone(family, timeout_s=1)
        with running_stack(data, "--embedding-model", "constant", base_port=stack.base_port):
            assert gone(family)


def test_a_kill_ends_everything_and_the_next_start_finds_the_data() -> None:
    with temporary_data() as data:
        with running_stack(data, "--embedding-model", "constant") as stack:
            secrets = (data / "secrets.json").read_text()
            family = stack.family()
            stack.supervisor.kill()
            stack.supervisor.wait()
            assert gone(family)
            base_port = stack.base_port
        with running_stack(data, "--embedding-model", "constant", base_port=base_port):
            assert (data / "secrets.json").read_text() == secrets


def gone(family: list[psutil.Process], timeout_s: float = 60) -> bool:
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
