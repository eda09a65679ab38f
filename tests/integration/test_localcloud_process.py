"""The process itself: what survives its death, and what stops it from starting."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.localcloud import PATIENCE_S, Hit, Reply, Target, http_target, localcloud


@pytest.fixture
def target() -> Iterator[Target]:
    """Give each test its own target."""
    with http_target() as running:
        yield running


def task_id(hit: Hit) -> str:
    return hit.headers["X-CloudTasks-TaskName"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_in_flight_scheduled_or_waiting_when_the_process_ended_is_done_by_the_next(
    tmp_path: Path, target: Target, number: int
) -> None:
    released = threading.Event()
    target.answer_in_turn(500, Reply(after=released))
    with localcloud(tmp_path) as cloud:
        queue = cloud.create_queue("q", rate_limits={"max_concurrent_dispatches": 1})
        cloud.create_task(queue, target.url, task_id="in-flight", http_request={"body": b"still here"})
        target.wait_for(2)  # failed once, and now hangs
        cloud.create_task(queue, target.url, task_id="waiting")
        due = time.time() + 1.0
        stamp = {"seconds": int(due), "nanos": int(due % 1 * 1e9)}
        cloud.create_task(queue, target.url, task_id="scheduled", schedule_time=stamp)
        asked_to_end = time.monotonic()
        cloud.end(number)
        assert time.monotonic() - asked_to_end < 5  # the attempt would hang for ten minutes
    with localcloud(tmp_path) as cloud:
        hits = target.wait_for(5)
        assert cloud.client.get_queue(name=queue).rate_limits.max_concurrent_dispatches == 1
    released.set()
    assert [task_id(hit) for hit in hits[2:]] == ["in-flight", "waiting", "scheduled"]
    assert hits[2].headers["X-CloudTasks-TaskRetryCount"] == "1"
    assert hits[2].headers["X-CloudTasks-TaskPreviousResponse"] == "500"
    assert hits[2].body == b"still here"
    assert hits[4].at >= due - 0.001


def test_every_task_that_was_acknowledged_survives_kill_9(tmp_path: Path, target: Target) -> None:
    with localcloud(tmp_path) as cloud:
        queue = cloud.create_queue("q")
        cloud.client.pause_queue(name=queue)
        names = [cloud.create_task(queue, target.url).rpartition("/")[2] for _ in range(50)]
        cloud.end(signal.SIGKILL)
    with localcloud(tmp_path) as cloud:
        assert cloud.task_ids(queue) == names
        cloud.client.resume_queue(name=queue)
        assert {task_id(hit) for hit in target.wait_for(50)} == set(names)


def test_a_stopped_process_ends_well_and_at_once(tmp_path: Path) -> None:
    with localcloud(tmp_path) as cloud:
        cloud.create_queue("q")
        assert cloud.end(signal.SIGINT) == 0


def run_to_its_end(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "localcloud", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_a_second_process_on_the_same_data_is_told_so(tmp_path: Path) -> None:
    with localcloud(tmp_path):
        second = run_to_its_end("--port", "0", "--data", str(tmp_path))
    assert second.returncode == 1
    assert second.stderr == (
        f"localcloud: {tmp_path} is in use by another localcloud; stop that one or choose another --data\n"
    )


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with localcloud(tmp_path / "a") as cloud:
        port = cloud.url.rpartition(":")[2]
        second = run_to_its_end("--port", port, "--data", str(tmp_path / "b"))
    assert second.returncode == 1
    assert f"('127.0.0.1', {port}): address already in use" in second.stderr
    assert second.stderr.count("\n") == 1


def test_data_that_is_no_folder_of_ours_is_told(tmp_path: Path) -> None:
    (tmp_path / "localcloud.db").write_bytes(b"not a database at all, but long enough to look like one" * 20)
    result = run_to_its_end("--port", "0", "--data", str(tmp_path))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "localcloud.db can't be used: file is not a database" in result.stderr
