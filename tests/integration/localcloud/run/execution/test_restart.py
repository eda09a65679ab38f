"""Executions across restarts of localcloud, after SIGTERM and SIGKILL."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.localcloud import SHELL_IMAGE, Cloud, is_alive, localcloud, wait_until

OPTIONS = (*SHELL_IMAGE, "--termination-grace", "0.5")
# Prints attempt and pid, fails if another instance runs, and exits on SIGTERM or when the file `go` exists.
SCRIPT = """
    echo "attempt $CLOUD_RUN_TASK_ATTEMPT pid $$"
    trap 'rmdir "$WORK/alone"; echo stopping; exit 1' TERM
    mkdir "$WORK/alone" || exit 9
    until [ -e "$WORK/go" ]; do sleep 0.02; done
    rmdir "$WORK/alone"
"""


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """Create a working folder for the tasks of a test."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    (folder / "go").touch()


def pid_of(cloud: Cloud, execution: str, attempt: int = 0) -> int:
    cloud.wait_for_output(execution, "pid", attempt=attempt)
    return int(cloud.logs(execution, attempt=attempt).split("pid ")[1].split()[0])


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_localcloud_and_run_again_as_new_attempts(
    tmp_path: Path, work: Path, signal_number: int
) -> None:
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        name = cloud.create_job("j", SCRIPT, env={"WORK": str(work)})  # without retries
        finished = cloud.execute(cloud.create_job("done", "echo done"))
        before = cloud.wait_for_end(finished)
        execution = cloud.execute(name)
        pid = pid_of(cloud, execution)
        wait_until((work / "alone").exists)
        cloud.stop(signal_number)
        if signal_number == signal.SIGTERM:
            assert not is_alive(pid)  # ended before localcloud
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        cloud.wait_for_output(execution, "attempt 1", attempt=1)
        assert "stopping" in cloud.logs(execution)
        wait_until(lambda: not is_alive(pid))
        (work / "go").touch()
        ended = cloud.wait_for_end(execution)
        assert (ended.succeeded_count, ended.failed_count) == (1, 0)
        assert cloud.executions.get_execution(name=finished) == before


def test_process_that_ignores_sigterm_ends_before_the_next_attempt_starts(tmp_path: Path, work: Path) -> None:
    script = "trap '' TERM; echo pid $$; until [ -e $WORK/go ]; do sleep 0.02; done"
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        execution = cloud.execute(cloud.create_job("j", script, env={"WORK": str(work)}))
        pid = pid_of(cloud, execution)
        cloud.stop(signal.SIGKILL)
        assert is_alive(pid)
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        pid_of(cloud, execution, attempt=1)
        assert not is_alive(pid)
        (work / "go").touch()
        assert cloud.wait_for_end(execution).succeeded_count == 1


def test_cancelled_execution_is_not_resumed(tmp_path: Path) -> None:
    with localcloud(tmp_path, *SHELL_IMAGE, "--termination-grace", "60") as cloud:
        execution = cloud.execute(cloud.create_job("j", "trap '' TERM; echo pid $$; while :; do sleep 0.05; done"))
        pid = pid_of(cloud, execution)
        cloud.executions.cancel_execution(name=execution)
        cloud.stop(signal.SIGKILL)
        os.killpg(pid, signal.SIGKILL)
    with localcloud(tmp_path, *OPTIONS) as cloud:
        ended = cloud.wait_for_end(execution)
        assert (ended.cancelled_count, ended.succeeded_count) == (1, 0)
        assert cloud.logs(execution, attempt=1) == ""
