"""What becomes of jobs when localcloud ends, however it ends."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.localcloud import SHELL_IMAGE, Cloud, is_alive, localcloud, wait_until

OPTIONS = (*SHELL_IMAGE, "--termination-grace", "0.5")
# Says who it is, is alone on its work as long as it lives, and ends when it is told to.
SCRIPT = """
    echo "attempt $CLOUD_RUN_TASK_ATTEMPT pid $$"
    trap 'rmdir "$WORK/alone"; echo told; exit 1' TERM
    mkdir "$WORK/alone" || exit 9
    until [ -e "$WORK/go" ]; do sleep 0.02; done
    rmdir "$WORK/alone"
"""


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """Give a folder to the tasks of a test."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    (folder / "go").touch()


def pid_of(cloud: Cloud, execution: str, attempt: int = 0) -> int:
    cloud.says(execution, "pid", attempt=attempt)
    return int(cloud.logs(execution, attempt=attempt).split("pid ")[1].split()[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_localcloud_and_run_again_as_a_new_attempt(tmp_path: Path, work: Path, number: int) -> None:
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        name = cloud.create_job("j", SCRIPT, env={"WORK": str(work)})  # never retried
        finished = cloud.execute(cloud.create_job("done", "echo done"))
        before = cloud.ended(finished)
        execution = cloud.execute(name)
        pid = pid_of(cloud, execution)
        wait_until((work / "alone").exists)
        cloud.end(number)
        if number == signal.SIGTERM:
            assert not is_alive(pid)  # nothing is left when it has ended
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        cloud.says(execution, "attempt 1", attempt=1)
        assert "told" in cloud.logs(execution)
        wait_until(lambda: not is_alive(pid))
        (work / "go").touch()
        ended = cloud.ended(execution)
        assert (ended.succeeded_count, ended.failed_count) == (1, 0)
        assert cloud.executions.get_execution(name=finished) == before


def test_a_process_that_does_not_listen_is_gone_before_the_next_attempt_begins(tmp_path: Path, work: Path) -> None:
    script = "trap '' TERM; echo pid $$; until [ -e $WORK/go ]; do sleep 0.02; done"
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        execution = cloud.execute(cloud.create_job("j", script, env={"WORK": str(work)}))
        pid = pid_of(cloud, execution)
        cloud.end(signal.SIGKILL)
        assert is_alive(pid)
    with localcloud(tmp_path / "data", *OPTIONS) as cloud:
        pid_of(cloud, execution, attempt=1)
        assert not is_alive(pid)
        (work / "go").touch()
        assert cloud.ended(execution).succeeded_count == 1


def test_a_cancelled_execution_is_not_run_again(tmp_path: Path) -> None:
    with localcloud(tmp_path, *SHELL_IMAGE, "--termination-grace", "60") as cloud:
        execution = cloud.execute(cloud.create_job("j", "trap '' TERM; echo pid $$; while :; do sleep 0.05; done"))
        pid = pid_of(cloud, execution)
        cloud.executions.cancel_execution(name=execution)
        cloud.end(signal.SIGKILL)
        os.killpg(pid, signal.SIGKILL)
    with localcloud(tmp_path, *OPTIONS) as cloud:
        ended = cloud.ended(execution)
        assert (ended.cancelled_count, ended.succeeded_count) == (1, 0)
        assert cloud.logs(execution, attempt=1) == ""
