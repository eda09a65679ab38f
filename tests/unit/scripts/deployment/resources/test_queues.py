"""The Cloud Tasks queues and the tick's schedule."""

import re
from dataclasses import fields
from typing import Any

from headwater.config import Settings
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.resources.queues import plan_queues
from tests.harness.deployment import SUPABASE, lines


def queue(**changes: Any) -> Json:
    """Return a queue with the desired limits, in the form of its API."""
    limits = {"maxConcurrentDispatches": 5, "maxDispatchesPerSecond": 10.0, "maxBurstSize": 10}
    retries = {"maxAttempts": -1, "minBackoff": "1s", "maxBackoff": "60.000s"}
    return {"state": "RUNNING", "rateLimits": limits, "retryConfig": retries, **changes}


def planned_for_queues(**existing: Json) -> list[str]:
    planned = lines(plan_queues(SUPABASE, CloudState(queues=existing)))
    return [line for line in planned if line.startswith("gcloud tasks queues") and "binding" not in line]


def test_matching_queues_are_left_alone() -> None:
    assert planned_for_queues(chat=queue(), collection=queue(), embedding=queue()) == []


def test_missing_queues_are_created() -> None:
    created = [["create", name] for name in ("chat", "collection", "embedding")]
    assert [line.split()[3:5] for line in planned_for_queues()] == created


def test_queue_with_other_limits_is_updated() -> None:
    other = queue(rateLimits={"maxConcurrentDispatches": 9})
    [updated] = planned_for_queues(chat=queue(), collection=other, embedding=queue())
    assert updated.startswith("gcloud tasks queues update collection ")


def test_paused_queue_is_resumed() -> None:
    [resumed] = planned_for_queues(chat=queue(), collection=queue(), embedding=queue(state="PAUSED"))
    assert resumed.startswith("gcloud tasks queues resume embedding ")


def test_queue_dispatches_at_most_as_many_tasks_as_its_service_has_connections() -> None:
    [create, *_] = planned_for_queues()
    [concurrent] = re.findall(r"--max-concurrent-dispatches=(\d+)", create)
    limits = SUPABASE.limits
    assert int(concurrent) == limits.tickets + 1 <= limits.collection_instances * limits.pool_size


def test_schedule_matches_the_default_of_tick_s() -> None:
    [create] = [line for line in lines(plan_queues(SUPABASE, CloudState())) if "scheduler jobs create" in line]
    [minutes] = re.findall(r"--schedule=\*/(\d+) \* \* \* \*", create.replace("'", ""))
    [default] = [spec.default for spec in fields(Settings) if spec.name == "tick_s"]
    assert int(minutes) * 60 == default
