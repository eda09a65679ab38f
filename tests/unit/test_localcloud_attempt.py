"""What an attempt sends and what its answer means."""

from dataclasses import replace

import pytest

from localcloud.targets.http_request import HttpMethod, HttpRequest
from localcloud.targets.outbound import OutboundResponse
from localcloud.targets.outcome import DEADLINE_EXCEEDED, Outcome, answer
from localcloud.tasks.attempt import attempt_json, next_attempt, request_of
from localcloud.tasks.resources import RetryConfig, Task

RETRY = RetryConfig(max_attempts=100, min_backoff_s=10, max_backoff_s=300, max_doublings=3)
TASK = Task(
    id=1,
    queue_id=1,
    task_id="t",
    request=HttpRequest("http://target/", HttpMethod.POST, {}, b"", "", ""),
    schedule_time=1666670855.25,
    create_time=1666670855.0,
    dispatch_deadline_s=600,
    retry=None,
    dispatch_count=0,
    response_count=0,
    execution_count=0,
    running=1,
    first_attempt_time=1666670855.0,
    last_attempt=None,
    previous_response=None,
)


def outcome(status: int, *, answered: bool = True, retry_after_s: float = 0) -> Outcome:
    return Outcome(1666670856.0, 1666670857.0, status, answered=answered, retry_after_s=retry_after_s)


def after(task: Task, ended: Outcome) -> Task:
    return replace(
        task,
        dispatch_count=task.dispatch_count + 1,
        execution_count=task.execution_count + ended.executed,
        previous_response=ended.status,
    )


def headers_over(*outcomes: Outcome) -> list[tuple[str | None, ...]]:
    names = ("TaskRetryCount", "TaskExecutionCount", "TaskPreviousResponse", "TaskRetryReason")
    task, seen = TASK, []
    for ended in [*outcomes, outcome(200)]:
        headers = dict(request_of(task, "q", now=0).headers)
        seen.append(tuple(headers.get(f"X-CloudTasks-{name}") for name in names))
        task = after(task, ended)
    return seen


def test_the_counts_are_those_recorded_from_the_real_service() -> None:
    assert headers_over(*map(outcome, (503, 404, 429, 500, 302))) == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]


def test_an_overrun_is_reported_as_504_and_is_no_execution() -> None:
    assert headers_over(outcome(DEADLINE_EXCEEDED, answered=False))[1] == ("1", "0", "504", "")


def test_the_other_headers_name_queue_task_and_time() -> None:
    assert dict(request_of(TASK, "q", now=0).headers) == {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": "q",
        "X-CloudTasks-TaskName": "t",
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": "1666670855.250000",
    }


@pytest.mark.parametrize(("status", "done"), [(200, True), (204, True), (299, True), (199, False), (300, False)])
def test_only_200_to_299_is_success(status: int, *, done: bool) -> None:
    assert outcome(status).succeeded is done


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), (" 7 ", 7), ("Thu, 01 Jan 1970 00:01:00 GMT", 50), ("Thu, 01 Jan 1970 00:00:01 GMT", 0), ("soon", 0)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float) -> None:
    response = OutboundResponse(503, {"retry-after": value})
    assert answer(response, dispatched_at=9, now=10).retry_after_s == seconds


def test_a_failed_task_is_due_again_after_its_back_off() -> None:
    waits = [(next_attempt(replace(TASK, dispatch_count=n), outcome(500), RETRY) or 0) - 1666670857 for n in range(8)]
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_what_an_overloaded_target_asks_for_is_waited_up_to_the_longest_interval() -> None:
    asked = {status: next_attempt(TASK, outcome(status, retry_after_s=60), RETRY) for status in (429, 503, 500)}
    assert asked == {429: 1666670917, 503: 1666670917, 500: 1666670867}
    assert next_attempt(TASK, outcome(503, retry_after_s=86400), RETRY) == 1666671157


def test_the_last_attempt_has_no_next() -> None:
    assert next_attempt(replace(TASK, dispatch_count=99), outcome(500), RETRY) is None


def test_an_attempt_is_described_with_googles_code() -> None:
    described = attempt_json(TASK, outcome(404))
    assert described["responseStatus"] == {"code": 5, "message": "NOT_FOUND(5): HTTP status code 404"}
    assert described["responseTime"] == "2022-10-25T04:07:37Z"
    assert [attempt_json(TASK, outcome(status))["responseStatus"]["code"] for status in (418, 502, 302)] == [9, 13, 2]
    assert "responseTime" not in attempt_json(TASK, outcome(504, answered=False))
