"""The Cloud Tasks API with Google's client library, and the requests that a target receives."""

import base64
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from google.api_core import exceptions
from google.cloud import tasks_v2

from tests.fakes.http_target import Hit, Reply, Target, http_target
from tests.harness.local_token import AUTHORIZATION
from tests.harness.localcloud import LOCATION, PATIENCE_S, Cloud, localcloud, wait_until

_queue_ids = (f"q{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Share a localcloud; each test has its own queue."""
    with localcloud(tmp_path_factory.mktemp("cloud"), "--min-dispatch-deadline", "0.2") as running:
        yield running


@pytest.fixture
def target() -> Iterator[Target]:
    """Start a target for each test."""
    with http_target() as running:
        yield running


@pytest.fixture
def queue(cloud: Cloud) -> str:
    """Create a queue with the default limits and fast retries."""
    return cloud.create_queue(next(_queue_ids))


def counts(hit: Hit) -> tuple[str | None, ...]:
    names = ("TaskRetryCount", "TaskExecutionCount", "TaskPreviousResponse", "TaskRetryReason")
    return tuple(hit.headers.get(f"X-CloudTasks-{name}") for name in names)


def events_of(cloud: Cloud, task: str) -> list[dict[str, Any]]:
    """Return the log events of a task."""
    return [event for event in cloud.events if event.get("task") == task.rpartition("/")[2]]


def test_retries_have_the_headers_recorded_from_the_real_service(cloud: Cloud, target: Target, queue: str) -> None:
    redirect = Reply(302, {"Location": target.url + "/elsewhere"})
    target.reply_in_turn(503, 404, 429, 500, redirect, 200)
    cloud.create_task(queue, target.url, task_id="recorded", http_request={"body": b"payload"})
    hits = target.wait_for(6)
    assert [counts(hit) for hit in hits] == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]
    assert {(hit.method, hit.path, hit.body) for hit in hits} == {("POST", "/hook", b"payload")}
    for hit in hits:
        assert hit.headers["User-Agent"] == "Google-Cloud-Tasks"
        assert hit.headers["X-CloudTasks-QueueName"] == queue.rpartition("/")[2]
        assert hit.headers["X-CloudTasks-TaskName"] == "recorded"
        assert "Content-Type" not in hit.headers


def test_missed_deadline_is_reported_as_504_and_retried(cloud: Cloud, target: Target, queue: str) -> None:
    target.reply_in_turn(Reply(delay_s=5))
    name = cloud.create_task(queue, target.url, dispatch_deadline={"nanos": 300_000_000})
    hits = target.wait_for(2)
    assert counts(hits[1]) == ("1", "0", "504", "")
    assert hits[1].at - hits[0].at >= 0.2
    [failure] = wait_until(lambda: events_of(cloud, name))
    assert (failure["status"], failure["severity"]) == (504, "WARNING")


def test_unreachable_target_is_retried(cloud: Cloud, queue: str) -> None:
    with http_target() as closed:
        url = closed.url
    name = cloud.create_task(queue, url)
    wait_until(lambda: cloud.client.get_task(name=name).dispatch_count >= 2)
    last = cloud.client.get_task(name=name).last_attempt
    assert (last.response_status.code, "response_time" in last) == (14, False)


def test_task_name_cannot_be_reused_after_the_task_has_finished(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.pause_queue(name=queue)
    name = cloud.create_task(queue, target.url, task_id="once")
    with pytest.raises(exceptions.Conflict, match="Requested entity already exists"):
        cloud.create_task(queue, target.url, task_id="once")
    cloud.client.resume_queue(name=queue)
    wait_until(lambda: not cloud.task_ids(queue))
    with pytest.raises(exceptions.Conflict, match="Requested entity already exists"):
        cloud.create_task(queue, target.url, task_id="once")
    with pytest.raises(exceptions.NotFound, match="The task no longer exists, though a task with this name existed"):
        cloud.client.get_task(name=name)
    assert len(target.hits) == 1


def test_deleted_task_is_not_dispatched_and_its_name_stays_blocked(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.pause_queue(name=queue)
    name = cloud.create_task(queue, target.url, task_id="deleted")
    cloud.client.delete_task(name=name)
    with pytest.raises(exceptions.NotFound, match="Requested entity was not found"):
        cloud.client.delete_task(name=name)
    with pytest.raises(exceptions.Conflict):
        cloud.create_task(queue, target.url, task_id="deleted")
    cloud.create_task(queue, target.url, task_id="other")
    cloud.client.resume_queue(name=queue)
    target.wait_for(1)
    wait_until(lambda: not cloud.task_ids(queue))
    assert [hit.headers["X-CloudTasks-TaskName"] for hit in target.hits] == ["other"]


def test_missing_queue_gives_the_error_of_the_real_service(cloud: Cloud, target: Target) -> None:
    message = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."
    missing = f"{LOCATION}/queues/missing"
    with pytest.raises(exceptions.NotFound) as refused:
        cloud.create_task(missing, target.url)
    assert refused.value.message.endswith(message)
    for method in (cloud.client.get_queue, cloud.client.pause_queue, cloud.client.purge_queue):
        with pytest.raises(exceptions.NotFound, match=message):
            method(name=missing)
    with pytest.raises(exceptions.NotFound, match="Requested entity was not found"):
        cloud.client.delete_queue(name=missing)


def test_scheduled_task_is_dispatched_at_its_time(cloud: Cloud, target: Target, queue: str) -> None:
    due = time.time() + 0.7
    stamp = {"seconds": int(due), "nanos": int(due % 1 * 1e9)}
    cloud.create_task(queue, target.url, task_id="later", schedule_time=stamp)
    cloud.create_task(queue, target.url, task_id="now")
    now, later = target.wait_for(2)
    assert now.headers["X-CloudTasks-TaskName"] == "now"
    assert later.at >= due - 0.001
    assert float(later.headers["X-CloudTasks-TaskETA"]) == pytest.approx(due, abs=0.001)


def test_max_concurrent_dispatches_limits_running_tasks(cloud: Cloud, target: Target) -> None:
    queue = cloud.create_queue(next(_queue_ids), rate_limits={"max_concurrent_dispatches": 3})
    target.reply = lambda hit: Reply(delay_s=0.05)
    for _ in range(12):
        cloud.create_task(queue, target.url)
    target.wait_for(12)
    assert target.max_concurrent == 3


def test_max_dispatches_per_second_limits_the_rate(cloud: Cloud, target: Target) -> None:
    queue = cloud.create_queue(next(_queue_ids), rate_limits={"max_dispatches_per_second": 20})
    cloud.client.pause_queue(name=queue)
    for _ in range(20):
        cloud.create_task(queue, target.url)
    cloud.client.resume_queue(name=queue)
    hits = target.wait_for(20)
    assert cloud.client.get_queue(name=queue).rate_limits.max_burst_size == 10
    assert hits[-1].at - hits[0].at >= 0.3  # ten at once, ten more at 20/s


def test_503_with_retry_after_throttles_the_whole_queue(cloud: Cloud, target: Target) -> None:
    slow = {"min_backoff": {"nanos": 10_000_000}, "max_backoff": {"seconds": 1}}
    queue = cloud.create_queue(next(_queue_ids), retry_config=slow)
    target.reply_in_turn(Reply(503, {"Retry-After": "1"}))
    cloud.create_task(queue, target.url, task_id="first")
    target.wait_for(1)
    wait_until(lambda: cloud.client.get_task(name=f"{queue}/tasks/first").response_count)
    cloud.create_task(queue, target.url, task_id="second")
    first, *others = target.wait_for(3)
    assert min(hit.at for hit in others) - first.at >= 0.95


def test_task_is_deleted_after_its_last_attempt(cloud: Cloud, target: Target, queue: str) -> None:
    target.reply = lambda hit: Reply(500)
    name = cloud.create_task(queue, target.url, retry_config={"max_attempts": 3, "min_backoff": {"nanos": 10_000_000}})
    wait_until(lambda: not cloud.task_ids(queue))
    assert len(target.hits) == 3
    wait_until(lambda: len(events_of(cloud, name)) == 3)
    assert [event["severity"] for event in events_of(cloud, name)] == ["WARNING", "WARNING", "ERROR"]


def test_paused_queue_dispatches_after_resume(cloud: Cloud, target: Target, queue: str) -> None:
    assert cloud.client.pause_queue(name=queue).state == tasks_v2.Queue.State.PAUSED
    cloud.create_task(queue, target.url, task_id="waiting")
    other = cloud.create_queue(next(_queue_ids))
    cloud.create_task(other, target.url, task_id="passing")
    target.wait_for(1)
    assert cloud.task_ids(queue) == ["waiting"]
    assert cloud.client.resume_queue(name=queue).state == tasks_v2.Queue.State.RUNNING
    assert [hit.headers["X-CloudTasks-TaskName"] for hit in target.wait_for(2)] == ["passing", "waiting"]


def test_purge_deletes_all_tasks(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.pause_queue(name=queue)
    for number in range(3):
        cloud.create_task(queue, target.url, task_id=f"task-{number}")
    assert cloud.client.purge_queue(name=queue).purge_time.timestamp() == pytest.approx(time.time(), abs=PATIENCE_S)
    assert cloud.task_ids(queue) == []
    cloud.client.resume_queue(name=queue)
    cloud.create_task(queue, target.url, task_id="afterwards")
    assert [hit.headers["X-CloudTasks-TaskName"] for hit in target.wait_for(1)] == ["afterwards"]


def test_name_of_a_deleted_queue_stays_blocked(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.delete_queue(name=queue)
    with pytest.raises(exceptions.NotFound):
        cloud.client.get_queue(name=queue)
    with pytest.raises(exceptions.BadRequest, match="a queue with this name existed too recently") as refused:
        cloud.client.create_queue(request={"parent": LOCATION, "queue": {"name": queue}})
    assert refused.value.response.json()["error"]["status"] == "FAILED_PRECONDITION"


def test_run_task_ignores_a_pause_and_reschedules_a_failure(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.pause_queue(name=queue)
    target.reply_in_turn(404)
    name = cloud.create_task(queue, target.url, schedule_time={"seconds": int(time.time()) + 3600})
    assert cloud.client.run_task(name=name).dispatch_count == 1
    target.wait_for(1)
    wait_until(lambda: cloud.client.get_task(name=name).response_count == 1)
    task = cloud.client.get_task(name=name)
    assert task.last_attempt.response_status.code == 5
    assert task.schedule_time.timestamp() < time.time() + 60
    cloud.client.run_task(name=name)
    wait_until(lambda: not cloud.task_ids(queue))


def test_update_changes_the_fields_of_the_mask_and_creates_a_missing_queue(cloud: Cloud) -> None:
    queue = cloud.create_queue(next(_queue_ids), rate_limits={"max_concurrent_dispatches": 7})
    change = {"name": queue, "rate_limits": {"max_dispatches_per_second": 5}, "retry_config": {"max_attempts": 9}}
    mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
    updated = cloud.client.update_queue(request={"queue": change, "update_mask": mask})
    assert updated == cloud.client.get_queue(name=queue)
    assert (updated.rate_limits.max_dispatches_per_second, updated.rate_limits.max_concurrent_dispatches) == (5, 7)
    assert updated.retry_config.max_attempts == 100
    missing = f"{LOCATION}/queues/{next(_queue_ids)}"
    assert cloud.client.update_queue(request={"queue": {"name": missing}}) == cloud.client.get_queue(name=missing)


def test_list_methods_return_pages(cloud: Cloud, target: Target, queue: str) -> None:
    cloud.client.pause_queue(name=queue)
    names = [cloud.create_task(queue, target.url, http_request={"body": b"secret"}) for _ in range(5)]
    pager = cloud.client.list_tasks(request={"parent": queue, "page_size": 2, "response_view": "FULL"})
    pages = list(pager.pages)
    assert [len(page.tasks) for page in pages] == [2, 2, 1]
    assert [task.name for page in pages for task in page.tasks] == names
    assert {task.http_request.body for page in pages for task in page.tasks} == {b"secret"}
    assert {task.http_request.body for task in cloud.client.list_tasks(parent=queue)} == {b""}
    elsewhere = "projects/demo/locations/elsewhere"
    queues = [f"{elsewhere}/queues/{letter}" for letter in "abc"]
    for name in queues:
        cloud.client.create_queue(request={"parent": elsewhere, "queue": {"name": name}})
    listed = cloud.client.list_queues(request={"parent": elsewhere, "page_size": 2})
    assert [queue.name for queue in listed] == queues


def test_id_token_has_the_signature_marker_of_cloud_run(cloud: Cloud, target: Target, queue: str) -> None:
    token = {"service_account_email": "caller@demo.iam.gserviceaccount.com", "audience": "https://service"}
    cloud.create_task(queue, target.url, http_request={"oidc_token": token, "headers": {"authorization": "mine"}})
    [hit] = target.wait_for(1)
    header, claims, signature = hit.headers["Authorization"].removeprefix("Bearer ").split(".")
    assert signature == "SIGNATURE_REMOVED_BY_GOOGLE"
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == "https://service"


def test_custom_headers_are_sent_except_reserved_ones(cloud: Cloud, target: Target, queue: str) -> None:
    headers = {"Host": "evil", "User-Agent": "mine", "X-Google-Thing": "1", "content-type": "text/x", "X-Mixed": "é"}
    cloud.create_task(queue, target.url + "/ü?a=b c", http_request={"headers": headers, "http_method": "PUT"})
    [hit] = target.wait_for(1)
    assert (hit.method, hit.path) == ("PUT", "/hook/%C3%BC?a=b%20c")
    assert hit.headers["Host"] in target.url
    assert hit.headers["User-Agent"] == "Google-Cloud-Tasks"
    assert hit.headers["content-type"] == "text/x"
    assert "X-Google-Thing" not in hit.headers


def test_connections_to_a_target_are_reused(cloud: Cloud, target: Target) -> None:
    queue = cloud.create_queue(next(_queue_ids), rate_limits={"max_concurrent_dispatches": 1})
    for _ in range(20):
        cloud.create_task(queue, target.url)
    assert len({hit.client_port for hit in target.wait_for(20)}) == 1


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"dispatch_deadline": {"seconds": 1801}}, r"Task.dispatchDeadline must be between \[0.2s, 30m\]."),
        ({"dispatch_deadline": {"nanos": 100_000_000}}, r"Task.dispatchDeadline must be between \[0.2s, 30m\]."),
        (
            {"schedule_time": {"seconds": 4_000_000_000}},
            "The Task.scheduleTime, 2096-10-02T07:06:40Z, is too far in the future. "
            "Schedule time must be no more than 720h in the future.",
        ),
        ({"http_request": {"url": ""}}, "HttpRequest.url is required."),
        ({"http_request": {"url": "ftp://x/"}}, "HttpTarget.url must start with 'http://' or 'https://'."),
        ({"http_request": {"url": "http://x:nan/"}}, "HttpRequest.url is not a valid URL."),
        ({"http_request": {"url": "http://x/" + "ü" * 400}}, "at most 2083 characters after encoding"),
        ({"http_request": {"body": b"x" * 1024 * 1024}}, "Task size too large"),
        ({"http_request": {"body": b"x", "http_method": "GET"}}, "HttpRequest.body is allowed only"),
        ({"http_request": {"headers": {"a": "x" * 81_920}}}, "must be less than 80KB"),
        ({"http_request": {"headers": {"a": "x\r\nb: y"}}}, "has an invalid header: 'a'"),
        ({"http_request": {"oidc_token": {"audience": "x"}}}, "OidcToken.serviceAccountEmail is required."),
        ({"task_id": "not valid"}, r'Task ID "not valid" can contain only letters \(\[A-Za-z\]\)'),
        ({"name": f"{LOCATION}/queues/other/tasks/x"}, "must be the same as the queue name in the named task"),
        ({"name": "x"}, "Task name must be formatted"),
        ({"retry_config": {"max_attempts": -2}}, "RetryConfig.maxAttempts must be greater or equal to -1."),
    ],
)
def test_invalid_task_is_rejected(cloud: Cloud, queue: str, task: dict[str, Any], message: str) -> None:
    with pytest.raises(exceptions.BadRequest, match=message):
        cloud.create_task(queue, "http://127.0.0.1:9/", **task)
    assert cloud.task_ids(queue) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rate_limits": {"max_dispatches_per_second": 501}},
            "maxDispatchesPerSecond must be less than or equal to 500.",
        ),
        ({"rate_limits": {"max_dispatches_per_second": -1}}, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        ({"rate_limits": {"max_concurrent_dispatches": 5001}}, "Dispatches must be less than or equal to 5000."),
        ({"retry_config": {"max_doublings": -1}}, "RetryConfig.maxDoublings cannot be negative."),
        (
            {"retry_config": {"min_backoff": {"seconds": 10}, "max_backoff": {"seconds": 5}}},
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
        ),
        ({"name": "nonsense"}, "Queue name must be formatted"),
        ({"name": "projects/demo/locations/b/queues/q"}, f"must begin with {LOCATION}."),
    ],
)
def test_invalid_queue_is_rejected(cloud: Cloud, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(exceptions.BadRequest, match=message):
        cloud.client.create_queue(
            request={"parent": LOCATION, "queue": {"name": f"{LOCATION}/queues/refused", **settings}}
        )


def test_duplicate_queue_is_a_conflict(cloud: Cloud, queue: str) -> None:
    with pytest.raises(exceptions.Conflict, match="Queue already exists"):
        cloud.client.create_queue(request={"parent": LOCATION, "queue": {"name": queue}})


def test_unsupported_features_are_rejected_by_name(cloud: Cloud, queue: str) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="GetIamPolicy is not supported by localcloud"):
        cloud.client.get_iam_policy(request={"resource": queue})
    task = {"app_engine_http_request": {"relative_uri": "/x"}}
    with pytest.raises(exceptions.MethodNotImplemented, match=r"Task\.appEngineHttpRequest is not supported"):
        cloud.client.create_task(request={"parent": queue, "task": task})
    override = {"name": queue, "http_target": {"oidc_token": {"service_account_email": "a@b", "audience": "c"}}}
    for paths in ([], ["http_target.oidc_token.audience"]):
        with pytest.raises(exceptions.MethodNotImplemented, match=r"Queue\.httpTarget is not supported"):
            cloud.client.update_queue(request={"queue": override, "update_mask": {"paths": paths}})


def test_heartbeat_is_answered_and_web_pages_are_rejected(cloud: Cloud) -> None:
    with urllib3.PoolManager() as http:
        assert http.request("GET", f"{cloud.url}/heartbeat").status == 200
        for headers in ({"Origin": "https://web"}, {"Origin": "http://127.0.0.1:1"} | AUTHORIZATION):
            assert http.request("GET", f"{cloud.url}/heartbeat", headers=headers).status == 403
        url = f"{cloud.url}/v2/{LOCATION}/queues"
        refused = http.request("POST", url, body=b"{nonsense", headers=AUTHORIZATION)
        assert (refused.status, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
