"""The methods of Cloud Scheduler v1. Each checks its request, updates the records and notifies the dispatcher.

Methods do not interleave.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from localcloud.rest.paging import page_of, page_size
from localcloud.rest.protojson import Message, masked
from localcloud.rest.router import ApiError, Call, Handler, JsonObject, Route
from localcloud.scheduler.clock import Clock, SystemClock
from localcloud.scheduler.dispatch import Dispatcher
from localcloud.scheduler.parse import check_job_config, check_job_name, read_job_config
from localcloud.scheduler.records import Records
from localcloud.scheduler.render import job_config_json, job_json
from localcloud.scheduler.resources import Job, JobConfig, JobState
from localcloud.store import Store
from localcloud.targets.outcome import Sender

MAX_PAGE = 500
_LOCATION = "projects/*/locations/*"
_JOB = f"{_LOCATION}/jobs/*"
_UNSUPPORTED = {
    "GetCmekConfig": ("GET", f"/v1/{{name={_LOCATION}}}/cmekConfig"),
    "UpdateCmekConfig": ("PATCH", f"/v1/{{name={_LOCATION}}}/cmekConfig"),
    "GetOperation": ("GET", f"/v1/{{name={_LOCATION}/operations/*}}"),
    "GetIamPolicy of a Cloud Run job": ("GET", f"/v1/{{resource={_JOB}}}:getIamPolicy"),
    "SetIamPolicy of a Cloud Run job": ("POST", f"/v1/{{resource={_JOB}}}:setIamPolicy"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the real service that tests can change."""

    min_attempt_deadline_s: float = 15.0


class CloudScheduler:
    """The Cloud Scheduler service. Runs jobs between `start` and `stop`."""

    def __init__(self, store: Store, sender: Sender, limits: Limits | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._records = Records(store)
        self._dispatcher = Dispatcher(self._records, sender, self._clock)
        self._limits = limits or Limits()

    @property
    def routes(self) -> list[Route]:
        """All methods of the v1 API, including unsupported ones."""
        supported: list[tuple[str, str, Handler]] = [
            ("POST", f"/v1/{{parent={_LOCATION}}}/jobs", self.create_job),
            ("GET", f"/v1/{{parent={_LOCATION}}}/jobs", self.list_jobs),
            ("GET", f"/v1/{{name={_JOB}}}", self.get_job),
            ("PATCH", f"/v1/{{name={_JOB}}}", self.update_job),
            ("DELETE", f"/v1/{{name={_JOB}}}", self.delete_job),
            ("POST", f"/v1/{{name={_JOB}}}:pause", self.pause_job),
            ("POST", f"/v1/{{name={_JOB}}}:resume", self.resume_job),
            ("POST", f"/v1/{{name={_JOB}}}:run", self.run_job),
        ]
        return [
            *(Route(verb, template, name) for name, (verb, template) in _UNSUPPORTED.items()),
            *(Route(verb, template, handler.__name__, handler) for verb, template, handler in supported),
        ]

    def start(self) -> None:
        """Resume dispatching, on the running event loop."""
        self._dispatcher.start()

    async def stop(self) -> None:
        """Stop dispatching."""
        await self._dispatcher.stop()

    def create_job(self, call: Call) -> JsonObject:
        """CreateJob."""
        message = Message(call.body, "job")
        parent = call.path["parent"]
        name = message.string("name") or f"{parent}/jobs/{secrets.randbelow(10**20):020d}"
        check_job_name(name, parent)
        config = self._read(message)
        if self._records.job(name) is not None:
            raise ApiError("ALREADY_EXISTS", f"Job {name} already exists.")
        now = self._clock.now()
        job = self._records.insert(name, config, schedule_time=config.next_tick(now), now=now)
        self._dispatcher.put(job)
        return job_json(job)

    def list_jobs(self, call: Call) -> JsonObject:
        """ListJobs, sorted by name."""
        after = call.query.get("pageToken", "")
        jobs = [job for job in self._records.jobs(call.path["parent"]) if job.name > after]
        page, token = page_of(jobs, page_size(call, MAX_PAGE), lambda job: job.name)
        return {"jobs": [job_json(job) for job in page], **token}

    def get_job(self, call: Call) -> JsonObject:
        """GetJob."""
        return job_json(self._job(call))

    def update_job(self, call: Call) -> JsonObject:
        """UpdateJob: updates the fields of `updateMask`, or all without one. Pending retries are dropped."""
        job = self._job(call)
        mask = [path.strip() for path in call.query.get("updateMask", "").split(",") if path.strip()]
        settings = call.body
        if mask:
            settings = _with_one_token(masked(job_config_json(job.config), call.body, mask), mask)
        return self._change(job, job.state, self._read(Message(settings, "job")))

    def delete_job(self, call: Call) -> JsonObject:
        """DeleteJob: a running attempt continues but is not retried."""
        job = self._job(call)
        self._records.delete(job)
        self._dispatcher.drop(job)
        return {}

    def pause_job(self, call: Call) -> JsonObject:
        """PauseJob: a running attempt continues, new ones are not started."""
        job = self._job(call)
        return self._change(job, JobState.PAUSED, job.config)

    def resume_job(self, call: Call) -> JsonObject:
        """ResumeJob: continues with the next time of the schedule."""
        job = self._job(call)
        return self._change(job, JobState.ENABLED, job.config)

    def run_job(self, call: Call) -> JsonObject:
        """RunJob: sends the request now, even if the job is paused or running."""
        return job_json(self._dispatcher.run(self._job(call)))

    def _job(self, call: Call) -> Job:
        job = self._records.job(call.path["name"])
        if job is None:
            raise ApiError("NOT_FOUND", "Job not found.")
        return job

    def _read(self, message: Message) -> JobConfig:
        deadline_s = self._limits.min_attempt_deadline_s
        return check_job_config(read_job_config(message), min_attempt_deadline_s=deadline_s, now=self._clock.now())

    def _change(self, job: Job, state: JobState, config: JobConfig) -> JsonObject:
        now = self._clock.now()
        schedule_time = config.next_tick(now) if state is JobState.ENABLED else None
        changed = self._records.change(job, state, config, schedule_time=schedule_time, now=now)
        self._dispatcher.put(changed)
        return job_json(changed)


def _with_one_token(settings: JsonObject, mask: list[str]) -> JsonObject:
    """Drop a token that the mask emptied, or replaced with a token of the other kind."""
    target: dict[str, Any] = settings["httpTarget"]
    for name, other in (("oidcToken", "oauthToken"), ("oauthToken", "oidcToken")):
        if not target.get(name):
            target.pop(name, None)
        elif any(f".{name}" in path for path in mask):
            target.pop(other, None)
    return settings
