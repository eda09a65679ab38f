"""The Cloud Scheduler API, with real requests to a target and a manual clock."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from localcloud.rest.router import Call, Route, Router
from localcloud.scheduler.api import CloudScheduler, Limits
from localcloud.scheduler.records import SCHEMA
from localcloud.scheduler.sender import JobRequestSender
from localcloud.store import open_store
from localcloud.targets.outbound import Outbound
from tests.fakes.http_target import Hit, Reply, Target, http_target
from tests.harness.clocks import ManualClock
from tests.harness.localcloud import PATIENCE_S

LOCATION = "projects/demo/locations/here"


class Scheduler:
    """A Cloud Scheduler service in this process, called through its routes."""

    def __init__(self, clock: ManualClock, router: Router) -> None:
        self.clock = clock
        self._router = router

    async def call(self, verb: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        payload = b"" if body is None else json.dumps(body).encode()
        answered, raw = await self._router.answer(verb, f"/v1/{path}", payload)
        assert answered == status, raw
        return json.loads(raw)

    async def create(self, job_id: str, url: str, schedule: str = "*/5 * * * *", **settings: Any) -> str:
        target = {"uri": url, **settings.pop("httpTarget", {})}
        job = {"name": f"{LOCATION}/jobs/{job_id}", "schedule": schedule, "httpTarget": target, **settings}
        created = await self.call("POST", f"{LOCATION}/jobs", job)
        return str(created["name"])

    async def wait_for(self, name: str, condition: Callable[[Any], object]) -> Any:
        """Wait until a job meets a condition and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(job := await self.call("GET", name)):
                await asyncio.sleep(0.01)
        return job


@asynccontextmanager
async def scheduler(data: Path, clock: ManualClock, routes: list[Route] | None = None) -> AsyncIterator[Scheduler]:
    store, outbound = open_store(data, [SCHEMA]), Outbound()
    sender = JobRequestSender(outbound)
    service = CloudScheduler(store, sender, Limits(min_attempt_deadline_s=0.1), clock)
    sender.router = Router([*service.routes, *(routes or [])])
    service.start()
    try:
        yield Scheduler(clock, sender.router)
    finally:
        await service.stop()
        outbound.close()
        store.close()


def run(scenario: Callable[[Scheduler, Target], Awaitable[None]], data: Path) -> None:
    """Run a scenario with a new scheduler and target."""

    async def play(target: Target) -> None:
        async with scheduler(data, ManualClock()) as running:
            await scenario(running, target)

    with http_target() as target:
        asyncio.run(play(target))


async def wait_for_hits(target: Target, count: int) -> list[Hit]:
    async with asyncio.timeout(PATIENCE_S):
        while len(target.hits) < count:
            await asyncio.sleep(0.005)
    return list(target.hits)


def is_due_at(time: str) -> Callable[[Any], bool]:
    return lambda job: time in job["scheduleTime"]


def ticks(hits: list[Hit]) -> list[str]:
    return [hit.headers["X-CloudScheduler-ScheduleTime"][11:19] for hit in hits]


def test_job_sends_its_request_on_schedule(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        request = {"body": "aGVsbG8=", "headers": {"X-Own": "1", "User-Agent": "me", "X-CloudScheduler": "no"}}
        oidc = {"oidcToken": {"serviceAccountEmail": "sa@demo.iam.gserviceaccount.com"}}
        name = await scheduler.create("tick", target.url, httpTarget={**request, **oidc})
        assert (await scheduler.call("GET", name))["scheduleTime"] == "2026-03-02T10:05:00Z"
        scheduler.clock.move_to("2026-03-02T10:04:59Z")
        await asyncio.sleep(0.05)
        assert target.hits == []
        scheduler.clock.move_to("2026-03-02T10:05:00Z")
        [hit] = await wait_for_hits(target, 1)
        assert (hit.method, hit.body) == ("POST", b"hello")
        assert hit.headers["X-CloudScheduler"] == "true"
        assert hit.headers["X-CloudScheduler-JobName"] == "tick"
        assert hit.headers["X-CloudScheduler-ScheduleTime"] == "2026-03-02T10:05:00Z"
        assert hit.headers["User-Agent"] == "Google-Cloud-Scheduler"
        assert hit.headers["Content-Type"] == "application/octet-stream"
        assert hit.headers["X-Own"] == "1"
        assert hit.headers["Authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
        job = await scheduler.wait_for(name, lambda job: job.get("status") == {})
        assert (job["scheduleTime"], job["lastAttemptTime"]) == ("2026-03-02T10:10:00Z", "2026-03-02T10:05:00Z")
        scheduler.clock.move_to("2026-03-02T10:10:00Z")
        assert ticks(await wait_for_hits(target, 2)) == ["10:05:00", "10:10:00"]

    run(scenario, tmp_path)


def test_failed_attempt_is_retried_with_backoff_up_to_the_retry_count(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply = lambda hit: Reply(404)
        retry = {"retryCount": 2, "minBackoffDuration": "10s", "maxDoublings": 3}
        name = await scheduler.create("retry", target.url, retryConfig=retry)
        for attempt, (now, next_time) in enumerate(
            [("10:05:00", "10:05:10"), ("10:05:10", "10:05:30"), ("10:05:30", "10:10:00")], 1
        ):
            scheduler.clock.move_to(f"2026-03-02T{now}Z")
            await wait_for_hits(target, attempt)
            job = await scheduler.wait_for(name, is_due_at(next_time))
            assert job["status"]["code"] == 5
        assert ticks(target.hits) == ["10:05:00"] * 3

    run(scenario, tmp_path)


def test_retries_end_at_the_next_scheduled_time(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply_in_turn(500, 500)
        retry = {"retryCount": 5, "minBackoffDuration": "40s", "maxBackoffDuration": "40s"}
        name = await scheduler.create("minutely", target.url, "* * * * *", retryConfig=retry)
        scheduler.clock.move_to("2026-03-02T10:01:00Z")
        await scheduler.wait_for(name, is_due_at("10:01:40"))
        scheduler.clock.move_to("2026-03-02T10:01:40Z")
        await scheduler.wait_for(name, is_due_at("10:02:00"))
        scheduler.clock.move_to("2026-03-02T10:02:00Z")
        assert ticks(await wait_for_hits(target, 3)) == ["10:01:00", "10:01:00", "10:02:00"]

    run(scenario, tmp_path)


def test_ticks_during_an_execution_wait_and_run_once(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        release = Event()
        target.reply = lambda hit: Reply(after=release)
        name = await scheduler.create("slow", target.url, "* * * * *")
        for minute in (1, 2, 3, 4):
            scheduler.clock.move_to(f"2026-03-02T10:0{minute}:00Z")
            await wait_for_hits(target, 1)
        await asyncio.sleep(0.05)
        assert len(target.hits) == 1
        release.set()
        assert ticks(await wait_for_hits(target, 2)) == ["10:01:00", "10:02:00"]
        await scheduler.wait_for(name, is_due_at("10:05:00"))
        assert target.max_concurrent == 1

    run(scenario, tmp_path)


def test_run_job_works_while_paused_or_running(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        release = Event()
        target.reply = lambda hit: Reply(after=release)
        name = await scheduler.create("manual", target.url)
        await scheduler.call("POST", f"{name}:pause", {})
        await scheduler.call("POST", f"{name}:run", {})
        await wait_for_hits(target, 1)
        await scheduler.call("POST", f"{name}:run", {})
        await wait_for_hits(target, 2)
        release.set()
        job = await scheduler.wait_for(name, lambda job: job.get("status") == {} and "scheduleTime" not in job)
        assert job["state"] == "PAUSED"

    run(scenario, tmp_path)


def test_paused_job_does_not_run_until_resumed(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        name = await scheduler.create("nap", target.url)
        assert "scheduleTime" not in await scheduler.call("POST", f"{name}:pause", {})
        scheduler.clock.move_to("2026-03-02T10:06:00Z")
        resumed = await scheduler.call("POST", f"{name}:resume", {})
        assert (resumed["state"], resumed["scheduleTime"]) == ("ENABLED", "2026-03-02T10:10:00Z")
        await asyncio.sleep(0.05)
        assert target.hits == []

    run(scenario, tmp_path)


def test_late_response_is_reported_as_deadline_exceeded(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply = lambda hit: Reply(delay_s=5)
        name = await scheduler.create("late", target.url, attemptDeadline="0.2s")
        await scheduler.call("POST", f"{name}:run", {})
        job = await scheduler.wait_for(name, lambda job: "status" in job)
        assert job["status"]["code"] == 4

    run(scenario, tmp_path)


def test_redirect_is_followed_and_its_response_counts(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply_in_turn(Reply(302, {"Location": "/there?x=1"}))
        name = await scheduler.create("moved", target.url, httpTarget={"body": "aGk="})
        await scheduler.call("POST", f"{name}:run", {})
        _, second = await wait_for_hits(target, 2)
        assert (second.method, second.path, second.body) == ("GET", "/there?x=1", b"")
        assert second.headers["X-CloudScheduler-JobName"] == "moved"
        assert "Content-Type" not in second.headers
        await scheduler.wait_for(name, lambda job: job.get("status") == {})

    run(scenario, tmp_path)


def test_requests_to_google_apis_are_answered_by_localcloud(tmp_path: Path) -> None:
    calls: list[Call] = []

    def run_job(call: Call) -> dict[str, Any]:
        calls.append(call)
        return {}

    async def scenario() -> None:
        route = Route("POST", "/v2/{name=projects/*/locations/*/jobs/*}:run", "RunJob", run_job)
        async with scheduler(tmp_path, ManualClock(), [route]) as running:
            url = f"https://run.googleapis.com/v2/{LOCATION}/jobs/nightly:run"
            oauth = {"oauthToken": {"serviceAccountEmail": "sa@demo.iam.gserviceaccount.com"}, "body": "e30="}
            name = await running.create("nightly", url, httpTarget=oauth)
            await running.call("POST", f"{name}:run", {})
            await running.wait_for(name, lambda job: job.get("status") == {})
            other = await running.create("other", "https://pubsub.googleapis.com/v1/projects/demo/topics/t:publish")
            await running.call("POST", f"{other}:run", {})
            assert (await running.wait_for(other, lambda job: "status" in job))["status"]["code"] == 12

    asyncio.run(scenario())
    assert [(call.path["name"], call.host) for call in calls] == [(f"{LOCATION}/jobs/nightly", "run.googleapis.com")]


def test_update_changes_only_the_fields_of_the_mask(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        oidc = {"oidcToken": {"serviceAccountEmail": "a@x", "audience": "https://app"}}
        name = await scheduler.create("job", target.url, httpTarget={**oidc, "headers": {"A": "1"}}, description="d")
        job = {"schedule": "0 3 * * MON", "timeZone": "Europe/Berlin", "description": "ignored"}
        changed = await scheduler.call("PATCH", f"{name}?updateMask=schedule,time_zone", job)
        assert (changed["schedule"], changed["description"]) == ("0 3 * * MON", "d")
        assert changed["scheduleTime"] == "2026-03-09T02:00:00Z"
        assert changed["httpTarget"]["oidcToken"]["audience"] == "https://app"
        oauth = {"httpTarget": {"oauthToken": {"serviceAccountEmail": "b@x"}}}
        mask = "httpTarget.oauthToken.serviceAccountEmail"
        changed = await scheduler.call("PATCH", f"{name}?updateMask={mask}", oauth)
        assert "oidcToken" not in changed["httpTarget"]
        assert changed["httpTarget"]["oauthToken"]["serviceAccountEmail"] == "b@x"
        cleared = f"{mask},httpTarget.oauthToken.scope,httpTarget.oidcToken.audience,retryConfig.retryCount"
        changed = await scheduler.call("PATCH", f"{name}?updateMask={cleared}", {"retryConfig": {"retryCount": 3}})
        assert "oauthToken" not in changed["httpTarget"]
        assert (changed["retryConfig"]["retryCount"], changed["httpTarget"]["headers"]["A"]) == (3, "1")

    run(scenario, tmp_path)


def test_jobs_are_listed_in_pages_sorted_by_name_and_deleted(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        names = [await scheduler.create(job_id, target.url) for job_id in ("b", "a", "c")]
        first = await scheduler.call("GET", f"{LOCATION}/jobs?pageSize=2")
        rest = await scheduler.call("GET", f"{LOCATION}/jobs?pageSize=2&pageToken={first['nextPageToken']}")
        assert [job["name"] for job in first["jobs"] + rest["jobs"]] == sorted(names)
        assert await scheduler.call("GET", "projects/demo/locations/elsewhere/jobs") == {"jobs": []}
        assert await scheduler.call("DELETE", names[0]) == {}
        missing = await scheduler.call("GET", names[0], status=404)
        assert missing["error"]["message"] == "Job not found."
        again = {"name": names[1], "schedule": "* * * * *", "httpTarget": {"uri": target.url}}
        assert (await scheduler.call("POST", f"{LOCATION}/jobs", again, status=409))["error"]["status"] == (
            "ALREADY_EXISTS"
        )
        scheduler.clock.move_to("2026-03-02T10:05:00Z")
        assert sorted(hit.headers["X-CloudScheduler-JobName"] for hit in await wait_for_hits(target, 2)) == ["a", "c"]

    run(scenario, tmp_path)


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"schedule": "61 * * * *"}, 400, "Schedule or time zone is invalid: invalid minute: '61'."),
        ({"schedule": ""}, 400, "it must have five fields"),
        ({"schedule": "every 5 minutes"}, 501, "App Engine's cron format"),
        ({"timeZone": "Europe/Nowhere"}, 400, "unknown time zone 'Europe/Nowhere'"),
        ({"timeZone": "../etc/passwd"}, 400, "unknown time zone"),
        ({"timeZone": "Europe"}, 400, "unknown time zone"),
        ({"attemptDeadline": "1801s"}, 400, "Job.attemptDeadline must be between"),
        ({"retryConfig": {"retryCount": 6}}, 400, "must be between [0, 5]"),
        ({"retryConfig": {"minBackoffDuration": "10s", "maxBackoffDuration": "5s"}}, 400, "must be less than or equal"),
        ({"description": "x" * 501}, 400, "at most 500 characters"),
        ({"httpTarget": None}, 400, "Job.httpTarget is required."),
        ({"httpTarget": {"uri": "ftp://x"}}, 400, "must start with"),
        ({"httpTarget": {"uri": "http://x", "httpMethod": "GET", "body": "aGk="}}, 400, "only if the HTTP method is"),
        ({"pubsubTarget": {"topicName": "t"}}, 501, "Job.pubsubTarget is not supported by localcloud."),
        ({"appEngineHttpTarget": {"relativeUri": "/"}}, 501, "Job.appEngineHttpTarget is not supported"),
        ({"name": "projects/demo/locations/here/jobs/a b"}, 400, "Job name must be formatted"),
        ({"name": "projects/other/locations/here/jobs/a"}, 400, "must begin with"),
        ({"nonsense": 1}, 400, 'Unknown name "nonsense"'),
    ],
)
def test_invalid_job_is_rejected(tmp_path: Path, change: dict[str, Any], status: int, message: str) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        job = {"name": f"{LOCATION}/jobs/j", "schedule": "* * * * *", "httpTarget": {"uri": "http://x/"}, **change}
        refused = await scheduler.call("POST", f"{LOCATION}/jobs", job, status=status)
        assert message in refused["error"]["message"]

    async def play() -> None:
        async with scheduler(tmp_path, ManualClock()) as running:
            await scenario(running, target=None)  # type: ignore[arg-type]

    asyncio.run(play())


def test_restart_repeats_outstanding_executions_and_skips_missed_ticks(tmp_path: Path) -> None:
    """Three jobs: with a running attempt, with a pending retry, and with scheduled times during the downtime."""

    async def before(target: Target, clock: ManualClock) -> None:
        async with scheduler(tmp_path, clock) as running:
            await running.create("busy", f"{target.url}/busy")
            failing = await running.create("failing", f"{target.url}/failing", retryConfig={"retryCount": 1})
            clock.move_to("2026-03-02T10:05:00Z")
            await wait_for_hits(target, 2)
            await running.wait_for(failing, is_due_at("10:05:05"))
            await running.create("later", f"{target.url}/later")

    async def after(target: Target, clock: ManualClock) -> None:
        clock.time = datetime.fromisoformat("2026-03-02T10:42:00Z").timestamp()
        async with scheduler(tmp_path, clock) as running:
            repeated = (await wait_for_hits(target, 4))[2:]
            assert sorted(hit.path for hit in repeated) == ["/hook/busy", "/hook/failing"]
            assert ticks(repeated) == ["10:05:00"] * 2
            for job_id in ("busy", "failing"):
                await running.wait_for(f"{LOCATION}/jobs/{job_id}", is_due_at("10:45:00"))
            later = await running.call("GET", f"{LOCATION}/jobs/later")
            assert (later["scheduleTime"], "lastAttemptTime" in later) == ("2026-03-02T10:45:00Z", False)

    with http_target() as target:
        never = Event()
        target.reply = lambda hit: Reply(after=never) if hit.path.endswith("busy") else Reply(500)
        asyncio.run(before(target, ManualClock()))
        target.reply = lambda hit: Reply()
        asyncio.run(after(target, ManualClock()))
