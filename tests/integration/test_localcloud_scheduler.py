"""Cloud Scheduler over its REST API, with real requests to a target and a clock that the tests move."""

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
from localcloud.scheduler.sender import Targets
from localcloud.store import open_store
from localcloud.targets.outbound import Outbound
from tests.harness.clocks import ManualClock
from tests.harness.localcloud import PATIENCE_S, Hit, Reply, Target, http_target

LOCATION = "projects/demo/locations/here"


class Scheduler:
    """A service in this process, asked through its routes."""

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

    async def settled(self, name: str, condition: Callable[[Any], object]) -> Any:
        """Return a job once it is in a certain state."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(job := await self.call("GET", name)):
                await asyncio.sleep(0.01)
        return job


@asynccontextmanager
async def scheduler(data: Path, clock: ManualClock, routes: list[Route] | None = None) -> AsyncIterator[Scheduler]:
    store, outbound = open_store(data, [SCHEMA]), Outbound()
    targets = Targets(outbound)
    service = CloudScheduler(store, targets, Limits(min_attempt_deadline_s=0.1), clock)
    targets.router = Router([*service.routes, *(routes or [])])
    service.start()
    try:
        yield Scheduler(clock, targets.router)
    finally:
        await service.stop()
        outbound.close()
        store.close()


def run(scenario: Callable[[Scheduler, Target], Awaitable[None]], data: Path) -> None:
    """Run a scenario with a scheduler and a target of its own."""

    async def play(target: Target) -> None:
        async with scheduler(data, ManualClock()) as running:
            await scenario(running, target)

    with http_target() as target:
        asyncio.run(play(target))


async def hits(target: Target, count: int) -> list[Hit]:
    async with asyncio.timeout(PATIENCE_S):
        while len(target.hits) < count:
            await asyncio.sleep(0.005)
    return list(target.hits)


def comes_at(time: str) -> Callable[[Any], bool]:
    return lambda job: time in job["scheduleTime"]


def ticks(found: list[Hit]) -> list[str]:
    return [hit.headers["X-CloudScheduler-ScheduleTime"][11:19] for hit in found]


def test_a_job_makes_its_request_whenever_its_schedule_says_so(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        request = {"body": "aGVsbG8=", "headers": {"X-Own": "1", "User-Agent": "me", "X-CloudScheduler": "no"}}
        oidc = {"oidcToken": {"serviceAccountEmail": "sa@demo.iam.gserviceaccount.com"}}
        name = await scheduler.create("tick", target.url, httpTarget={**request, **oidc})
        assert (await scheduler.call("GET", name))["scheduleTime"] == "2026-03-02T10:05:00Z"
        scheduler.clock.move_to("2026-03-02T10:04:59Z")
        await asyncio.sleep(0.05)
        assert target.hits == []
        scheduler.clock.move_to("2026-03-02T10:05:00Z")
        [hit] = await hits(target, 1)
        assert (hit.method, hit.body) == ("POST", b"hello")
        assert hit.headers["X-CloudScheduler"] == "true"
        assert hit.headers["X-CloudScheduler-JobName"] == "tick"
        assert hit.headers["X-CloudScheduler-ScheduleTime"] == "2026-03-02T10:05:00Z"
        assert hit.headers["User-Agent"] == "Google-Cloud-Scheduler"
        assert hit.headers["Content-Type"] == "application/octet-stream"
        assert hit.headers["X-Own"] == "1"
        assert hit.headers["Authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
        job = await scheduler.settled(name, lambda job: job.get("status") == {})
        assert (job["scheduleTime"], job["lastAttemptTime"]) == ("2026-03-02T10:10:00Z", "2026-03-02T10:05:00Z")
        scheduler.clock.move_to("2026-03-02T10:10:00Z")
        assert ticks(await hits(target, 2)) == ["10:05:00", "10:10:00"]

    run(scenario, tmp_path)


def test_a_failed_attempt_is_made_again_after_its_back_off_and_only_so_often(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply = lambda hit: Reply(404)
        retry = {"retryCount": 2, "minBackoffDuration": "10s", "maxDoublings": 3}
        name = await scheduler.create("retry", target.url, retryConfig=retry)
        for attempt, (now, next_time) in enumerate(
            [("10:05:00", "10:05:10"), ("10:05:10", "10:05:30"), ("10:05:30", "10:10:00")], 1
        ):
            scheduler.clock.move_to(f"2026-03-02T{now}Z")
            await hits(target, attempt)
            job = await scheduler.settled(name, comes_at(next_time))
            assert job["status"]["code"] == 5
        assert ticks(target.hits) == ["10:05:00"] * 3

    run(scenario, tmp_path)


def test_retries_end_where_the_next_time_begins(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.answer_in_turn(500, 500)
        retry = {"retryCount": 5, "minBackoffDuration": "40s", "maxBackoffDuration": "40s"}
        name = await scheduler.create("minutely", target.url, "* * * * *", retryConfig=retry)
        scheduler.clock.move_to("2026-03-02T10:01:00Z")
        await scheduler.settled(name, comes_at("10:01:40"))
        scheduler.clock.move_to("2026-03-02T10:01:40Z")
        await scheduler.settled(name, comes_at("10:02:00"))
        scheduler.clock.move_to("2026-03-02T10:02:00Z")
        assert ticks(await hits(target, 3)) == ["10:01:00", "10:01:00", "10:02:00"]

    run(scenario, tmp_path)


def test_a_tick_waits_for_the_end_of_the_one_before_and_several_become_one(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        released = Event()
        target.reply = lambda hit: Reply(after=released)
        name = await scheduler.create("slow", target.url, "* * * * *")
        for minute in (1, 2, 3, 4):
            scheduler.clock.move_to(f"2026-03-02T10:0{minute}:00Z")
            await hits(target, 1)
        await asyncio.sleep(0.05)
        assert len(target.hits) == 1
        released.set()
        assert ticks(await hits(target, 2)) == ["10:01:00", "10:02:00"]
        await scheduler.settled(name, comes_at("10:05:00"))
        assert target.most_busy == 1

    run(scenario, tmp_path)


def test_a_job_can_be_run_now_even_while_it_is_paused_or_busy(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        released = Event()
        target.reply = lambda hit: Reply(after=released)
        name = await scheduler.create("manual", target.url)
        await scheduler.call("POST", f"{name}:pause", {})
        await scheduler.call("POST", f"{name}:run", {})
        await hits(target, 1)
        await scheduler.call("POST", f"{name}:run", {})
        await hits(target, 2)
        released.set()
        job = await scheduler.settled(name, lambda job: job.get("status") == {} and "scheduleTime" not in job)
        assert job["state"] == "PAUSED"

    run(scenario, tmp_path)


def test_a_paused_job_sleeps_and_a_resumed_one_goes_on_with_its_next_time(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        name = await scheduler.create("nap", target.url)
        assert "scheduleTime" not in await scheduler.call("POST", f"{name}:pause", {})
        scheduler.clock.move_to("2026-03-02T10:06:00Z")
        resumed = await scheduler.call("POST", f"{name}:resume", {})
        assert (resumed["state"], resumed["scheduleTime"]) == ("ENABLED", "2026-03-02T10:10:00Z")
        await asyncio.sleep(0.05)
        assert target.hits == []

    run(scenario, tmp_path)


def test_an_answer_that_comes_too_late_is_a_deadline_exceeded(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.reply = lambda hit: Reply(delay_s=5)
        name = await scheduler.create("late", target.url, attemptDeadline="0.2s")
        await scheduler.call("POST", f"{name}:run", {})
        job = await scheduler.settled(name, lambda job: "status" in job)
        assert job["status"]["code"] == 4

    run(scenario, tmp_path)


def test_a_redirect_is_followed_and_its_answer_counts(tmp_path: Path) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        target.answer_in_turn(Reply(302, {"Location": "/there?x=1"}))
        name = await scheduler.create("moved", target.url, httpTarget={"body": "aGk="})
        await scheduler.call("POST", f"{name}:run", {})
        _, second = await hits(target, 2)
        assert (second.method, second.path, second.body) == ("GET", "/there?x=1", b"")
        assert second.headers["X-CloudScheduler-JobName"] == "moved"
        assert "Content-Type" not in second.headers
        await scheduler.settled(name, lambda job: job.get("status") == {})

    run(scenario, tmp_path)


def test_requests_to_google_are_answered_here(tmp_path: Path) -> None:
    seen: list[Call] = []

    def run_job(call: Call) -> dict[str, Any]:
        seen.append(call)
        return {}

    async def scenario() -> None:
        route = Route("POST", "/v2/{name=projects/*/locations/*/jobs/*}:run", "RunJob", run_job)
        async with scheduler(tmp_path, ManualClock(), [route]) as running:
            url = f"https://run.googleapis.com/v2/{LOCATION}/jobs/nightly:run"
            oauth = {"oauthToken": {"serviceAccountEmail": "sa@demo.iam.gserviceaccount.com"}, "body": "e30="}
            name = await running.create("nightly", url, httpTarget=oauth)
            await running.call("POST", f"{name}:run", {})
            await running.settled(name, lambda job: job.get("status") == {})
            other = await running.create("other", "https://pubsub.googleapis.com/v1/projects/demo/topics/t:publish")
            await running.call("POST", f"{other}:run", {})
            assert (await running.settled(other, lambda job: "status" in job))["status"]["code"] == 12

    asyncio.run(scenario())
    assert [(call.path["name"], call.host) for call in seen] == [(f"{LOCATION}/jobs/nightly", "run.googleapis.com")]


def test_settings_change_by_their_mask_and_the_rest_stays(tmp_path: Path) -> None:
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


def test_jobs_are_listed_by_name_in_pages_and_deleted(tmp_path: Path) -> None:
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
        assert sorted(hit.headers["X-CloudScheduler-JobName"] for hit in await hits(target, 2)) == ["a", "c"]

    run(scenario, tmp_path)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"schedule": "61 * * * *"}, 400, "Schedule or time zone is invalid: minute: 61 is not between 0 and 59."),
        ({"schedule": ""}, 400, "five fields are expected"),
        ({"schedule": "every 5 minutes"}, 501, "App Engine's cron format"),
        ({"timeZone": "Europe/Nowhere"}, 400, "'Europe/Nowhere' is not a time zone"),
        ({"timeZone": "../etc/passwd"}, 400, "is not a time zone"),
        ({"timeZone": "Europe"}, 400, "is not a time zone"),
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
def test_what_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], status: int, words: str) -> None:
    async def scenario(scheduler: Scheduler, target: Target) -> None:
        job = {"name": f"{LOCATION}/jobs/j", "schedule": "* * * * *", "httpTarget": {"uri": "http://x/"}, **change}
        refused = await scheduler.call("POST", f"{LOCATION}/jobs", job, status=status)
        assert words in refused["error"]["message"]

    async def play() -> None:
        async with scheduler(tmp_path, ManualClock()) as running:
            await scenario(running, target=None)  # type: ignore[arg-type]

    asyncio.run(play())


def test_what_was_outstanding_is_made_again_after_a_restart_and_what_was_missed_is_not(tmp_path: Path) -> None:
    """Three jobs: one whose attempt is under way, one that waits for its retry, one whose times pass unnoticed."""

    async def before(target: Target, clock: ManualClock) -> None:
        async with scheduler(tmp_path, clock) as running:
            await running.create("busy", f"{target.url}/busy")
            failing = await running.create("failing", f"{target.url}/failing", retryConfig={"retryCount": 1})
            clock.move_to("2026-03-02T10:05:00Z")
            await hits(target, 2)
            await running.settled(failing, comes_at("10:05:05"))
            await running.create("later", f"{target.url}/later")

    async def after(target: Target, clock: ManualClock) -> None:
        clock.time = datetime.fromisoformat("2026-03-02T10:42:00Z").timestamp()
        async with scheduler(tmp_path, clock) as running:
            found = (await hits(target, 4))[2:]
            assert sorted(hit.path for hit in found) == ["/hook/busy", "/hook/failing"]
            assert ticks(found) == ["10:05:00"] * 2
            for job_id in ("busy", "failing"):
                await running.settled(f"{LOCATION}/jobs/{job_id}", comes_at("10:45:00"))
            later = await running.call("GET", f"{LOCATION}/jobs/later")
            assert (later["scheduleTime"], "lastAttemptTime" in later) == ("2026-03-02T10:45:00Z", False)

    with http_target() as target:
        never = Event()
        target.reply = lambda hit: Reply(after=never) if hit.path.endswith("busy") else Reply(500)
        asyncio.run(before(target, ManualClock()))
        target.reply = lambda hit: Reply()
        asyncio.run(after(target, ManualClock()))
