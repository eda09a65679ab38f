"""Attempts to run tasks: headers, retries and the Attempt message."""

from dataclasses import replace

from localcloud.targets.http_request import HttpMethod, HttpRequest
from localcloud.targets.outcome import DEADLINE_EXCEEDED, Outcome
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


def retry_headers(*outcomes: Outcome) -> list[tuple[str | None, ...]]:
    names = ("TaskRetryCount", "TaskExecutionCount", "TaskPreviousResponse", "TaskRetryReason")
    task, sent = TASK, []
    for ended in [*outcomes, outcome(200)]:
        headers = dict(request_of(task, "q", now=0).headers)
        sent.append(tuple(headers.get(f"X-CloudTasks-{name}") for name in names))
        task = after(task, ended)
    return sent


def test_headers_count_attempts_as_recorded_from_the_real_service() -> None:
    assert retry_headers(*map(outcome, (503, 404, 429, 500, 302))) == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]


def test_missed_deadline_is_reported_as_504_and_not_counted_as_execution() -> None:
    assert retry_headers(outcome(DEADLINE_EXCEEDED, answered=False))[1] == ("1", "0", "504", "")


def test_headers_contain_queue_task_and_schedule_time() -> None:
    assert dict(request_of(TASK, "q", now=0).headers) == {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": "q",
        "X-CloudTasks-TaskName": "t",
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": "1666670855.250000",
    }


def test_next_attempt_follows_the_backoff() -> None:
    waits = [(next_attempt(replace(TASK, dispatch_count=n), outcome(500), RETRY) or 0) - 1666670857 for n in range(8)]
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_next_attempt_honors_retry_after_up_to_max_backoff() -> None:
    next_attempts = {status: next_attempt(TASK, outcome(status, retry_after_s=60), RETRY) for status in (429, 503, 500)}
    assert next_attempts == {429: 1666670917, 503: 1666670917, 500: 1666670867}
    assert next_attempt(TASK, outcome(503, retry_after_s=86400), RETRY) == 1666671157


def test_last_attempt_is_not_retried() -> None:
    assert next_attempt(replace(TASK, dispatch_count=99), outcome(500), RETRY) is None


def test_attempt_message_contains_the_rpc_code() -> None:
    message = attempt_json(TASK, outcome(404))
    assert message["responseStatus"] == {"code": 5, "message": "NOT_FOUND(5): HTTP status code 404"}
    assert message["responseTime"] == "2022-10-25T04:07:37Z"
    assert [attempt_json(TASK, outcome(status))["responseStatus"]["code"] for status in (418, 502, 302)] == [9, 13, 2]
    assert "responseTime" not in attempt_json(TASK, outcome(504, answered=False))
