"""The localcloud process: state after restarts, shutdown, and startup errors."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.http_target import Hit, Reply, Target, http_target
from tests.harness.localcloud import PATIENCE_S, localcloud


@pytest.fixture
def target() -> Iterator[Target]:
    """Start a target for each test."""
    with http_target() as running:
        yield running


def task_id(hit: Hit) -> str:
    return hit.headers["X-CloudTasks-TaskName"]


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_restart_continues_with_running_scheduled_and_waiting_tasks(
    tmp_path: Path, target: Target, signal_number: int
) -> None:
    release = threading.Event()
    target.reply_in_turn(500, Reply(after=release))
    with localcloud(tmp_path) as cloud:
        queue = cloud.create_queue("q", rate_limits={"max_concurrent_dispatches": 1})
        cloud.create_task(queue, target.url, task_id="in-flight", http_request={"body": b"still here"})
        target.wait_for(2)  # failed once, now hangs
        cloud.create_task(queue, target.url, task_id="waiting")
        due = time.time() + 1.0
        stamp = {"seconds": int(due), "nanos": int(due % 1 * 1e9)}
        cloud.create_task(queue, target.url, task_id="scheduled", schedule_time=stamp)
        stopped_at = time.monotonic()
        cloud.stop(signal_number)
        assert time.monotonic() - stopped_at < 5  # the attempt would hang for ten minutes
    with localcloud(tmp_path) as cloud:
        hits = target.wait_for(5)
        assert cloud.client.get_queue(name=queue).rate_limits.max_concurrent_dispatches == 1
    release.set()
    assert [task_id(hit) for hit in hits[2:]] == ["in-flight", "waiting", "scheduled"]
    assert hits[2].headers["X-CloudTasks-TaskRetryCount"] == "1"
    assert hits[2].headers["X-CloudTasks-TaskPreviousResponse"] == "500"
    assert hits[2].body == b"still here"
    assert hits[4].at >= due - 0.001


def test_created_tasks_survive_kill_9(tmp_path: Path, target: Target) -> None:
    with localcloud(tmp_path) as cloud:
        queue = cloud.create_queue("q")
        cloud.client.pause_queue(name=queue)
        names = [cloud.create_task(queue, target.url).rpartition("/")[2] for _ in range(50)]
        cloud.stop(signal.SIGKILL)
    with localcloud(tmp_path) as cloud:
        assert cloud.task_ids(queue) == names
        cloud.client.resume_queue(name=queue)
        assert {task_id(hit) for hit in target.wait_for(50)} == set(names)


def test_sigint_stops_the_process_with_exit_code_0(tmp_path: Path) -> None:
    with localcloud(tmp_path) as cloud:
        cloud.create_queue("q")
        assert cloud.stop(signal.SIGINT) == 0


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "localcloud", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_second_process_with_the_same_data_folder_fails(tmp_path: Path) -> None:
    with localcloud(tmp_path):
        second = run("--port", "0", "--data", str(tmp_path))
    assert second.returncode == 1
    assert second.stderr == (
        f"localcloud: {tmp_path} is in use by another localcloud. Stop it or choose another --data folder.\n"
    )


def test_port_in_use_fails(tmp_path: Path) -> None:
    with localcloud(tmp_path / "a") as cloud:
        port = cloud.url.rpartition(":")[2]
        second = run("--port", port, "--data", str(tmp_path / "b"))
    assert second.returncode == 1
    assert f"('127.0.0.1', {port}): address already in use" in second.stderr
    assert second.stderr.count("\n") == 1


def test_file_that_is_not_a_database_fails(tmp_path: Path) -> None:
    (tmp_path / "localcloud.db").write_bytes(b"not a database at all, but long enough to look like one" * 20)
    result = run("--port", "0", "--data", str(tmp_path))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"Cannot open {tmp_path}/localcloud.db: file is not a database" in result.stderr
