"""Large runs use the job, on a localcloud with real processes; tickets take over if the job cannot."""

import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.pipeline import retry_failed
from functions.collection.pipeline.steps import handlers
from functions.collection.runs.bulk import JobStarter
from functions.collection.runs.end import cancel_run
from functions.collection.runs.start import start_run
from headwater.database.transactions import ALL_WORKSPACES
from headwater.queue.tickets import QUEUES, Tickets
from headwater.queue.worker import Worker
from headwater.web.shutdown import Lifetime
from scripts.local.cloud_resources import create_all
from scripts.local.stack import JOB_IMAGE
from tests.harness.databases import FreshDatabase
from tests.harness.job_server import job_program
from tests.harness.localcloud import LOCATION, Cloud, localcloud
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.stacks import wait_until
from tests.harness.support import closing_client, queue_settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

DOCUMENTS = 50
BULK = {"job_name": "headwater", "bulk_threshold": 20, "max_job_workers": 2, "fetch_batch": 8, "embed_batch": 16}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write(
        {f"d{n:03}.md": f"# Document {n}\n\n" + f"Water rises to mark {n}. " * 60 for n in range(DOCUMENTS)}
    )
    return repository


@pytest.fixture(scope="module")
def idle_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A localcloud whose job does nothing and whose queues are paused."""
    image = f"{JOB_IMAGE}=/bin/sh -c true"
    with localcloud(tmp_path_factory.mktemp("cloud"), "--image", image) as cloud:
        yield cloud


@pytest.fixture
def pipeline(database: FreshDatabase, idle_cloud: Cloud) -> Iterator[Pipeline]:
    with running_pipeline(database, **BULK, **queue_settings(idle_cloud.url), run_endpoint=idle_cloud.url) as pipeline:
        create_all(pipeline.settings)
        for queue in QUEUES:
            idle_cloud.client.pause_queue(name=f"{LOCATION}/queues/{queue}")
            idle_cloud.client.purge_queue(name=f"{LOCATION}/queues/{queue}")
        yield pipeline


def job_starter(pipeline: Pipeline, **changes: Any) -> JobStarter:
    settings = replace(pipeline.settings, **changes)
    tickets = pipeline.closing.enter_context(closing_client(Tickets(pipeline.database, settings)))
    return pipeline.closing.enter_context(closing_client(JobStarter(pipeline.database, settings, tickets)))


def list_source(pipeline: Pipeline, repository: Repository, starter: JobStarter, *, dies: bool = False) -> uuid.UUID:
    """Start a run and list the source, as the function does. With `dies`, it dies before it starts the job."""
    source = pipeline.add_source(repository.url)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        run_id, _ = start_run(tx, pipeline.workspace_id, source.id, "api")
    steps = handlers(starter.settings, (lambda _: None) if dies else starter.start)
    worker = Worker(
        pipeline.database, starter.settings, steps, waker=starter.tickets, holder="test", lifetime=Lifetime()
    )
    worker.drain("collection", stop=iter((False, True)).__next__)
    return run_id


def executions(cloud: Cloud, run_id: uuid.UUID) -> list[Any]:
    """Return the executions that were started for a run."""
    all_executions = cloud.executions.list_executions(parent=f"{LOCATION}/jobs/headwater")
    return [execution for execution in all_executions if f"--run={run_id}" in execution.template.containers[0].args]


def count_tickets(cloud: Cloud) -> int:
    return len(cloud.task_ids(f"{LOCATION}/queues/collection"))


def advance_time(pipeline: Pipeline, seconds: float) -> None:
    """Move the times of the job's start and of steps into the past."""
    with pipeline.database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update runs set job_asked_at = job_asked_at - make_interval(secs => :s)"), {"s": seconds})
        times = ", ".join(f"{name} = {name} - make_interval(secs => :s)" for name in ("started_at", "finished_at"))
        tx.execute(sa.text(f"update steps set {times}"), {"s": seconds})


def test_large_run_is_completed_by_the_job(database: FreshDatabase, repository: Repository, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": database.url, "EMBEDDING_MODEL": "constant", "FETCH_FILE_URLS": "true"}
    image = f"{JOB_IMAGE}={job_program()}"
    with (
        localcloud(tmp_path, "--image", image, environment=environment | {"RUN_ENDPOINT": "http://here"}) as cloud,
        running_pipeline(database, **BULK, **queue_settings(cloud.url), run_endpoint=cloud.url) as pipeline,
    ):
        create_all(pipeline.settings)
        run_id = list_source(pipeline, repository, job_starter(pipeline))
        run = pipeline.read(run_id)
        assert (run.state, run.trigger, run.engine, run.notice) == ("running", "api", "job", None)
        assert run.execution is not None
        wait_until(lambda: pipeline.read(run_id).state != "running")
        run = pipeline.read(run_id)
        assert (run.state, run.engine, run.counts.added) == ("succeeded", "job", DOCUMENTS)
        ended = cloud.wait_for_end(f"{LOCATION}/jobs/headwater/executions/{run.execution}")
        assert (ended.task_count, ended.succeeded_count, ended.failed_count) == (2, 2, 0)
        assert "succeeded: 50 added" in cloud.logs(ended.name)
        holders = pipeline.rows("select distinct split_part(holder, '/', 1) from steps where kind <> 'list'")
        assert holders == [("headwater",)]
        assert pipeline.rows("select count(*) from tickets") == [(0,)]


def test_large_retry_starts_the_job(pipeline: Pipeline, repository: Repository, idle_cloud: Cloud) -> None:
    run_id = list_source(pipeline, repository, job_starter(pipeline, job_name=""))
    pipeline.rows("update run_items set state = 'failed', reason = 'Failed.' returning key")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        cancel_run(tx, run_id)
        retry_id = retry_failed.retry_run(tx, pipeline.workspace_id, run_id, pipeline.settings)
    job_starter(pipeline).start(retry_id)
    [execution] = executions(idle_cloud, retry_id)
    assert (pipeline.read(retry_id).engine, execution.task_count) == ("job", 2)


def test_small_run_stays_with_tickets(pipeline: Pipeline, repository: Repository, idle_cloud: Cloud) -> None:
    run_id = list_source(pipeline, repository, job_starter(pipeline, bulk_threshold=DOCUMENTS))
    assert (pipeline.read(run_id).engine, executions(idle_cloud, run_id)) == ("tickets", [])
    assert count_tickets(idle_cloud) > 0


def test_large_run_stays_with_tickets_without_a_job(pipeline: Pipeline, repository: Repository) -> None:
    run_id = list_source(pipeline, repository, job_starter(pipeline, job_name=""))
    assert (pipeline.read(run_id).engine, pipeline.read(run_id).notice) == ("tickets", None)


def test_concurrent_starts_create_one_execution(pipeline: Pipeline, repository: Repository, idle_cloud: Cloud) -> None:
    starter = job_starter(pipeline)
    run_id = list_source(pipeline, repository, starter, dies=True)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda n: starter.start(run_id) if n % 2 else starter.watch(), range(5)))
    [execution] = executions(idle_cloud, run_id)
    assert execution.name.endswith(f"/{pipeline.read(run_id).execution}")
    assert execution.task_count == 2


def test_missing_job_is_reported_and_tickets_take_over(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    run_id = list_source(pipeline, repository, job_starter(pipeline, job_name="missing"))
    run = pipeline.read(run_id)
    assert (run.engine, run.execution) == ("tickets", None)
    assert "The Cloud Run job missing couldn't be started" in str(run.notice)
    assert count_tickets(idle_cloud) > 0


def test_tickets_take_over_when_cloud_run_is_down(pipeline: Pipeline, repository: Repository) -> None:
    run_id = list_source(pipeline, repository, job_starter(pipeline, run_endpoint="http://127.0.0.1:9"))
    run = pipeline.read(run_id)
    assert run.engine == "tickets"
    assert "couldn't be started" in str(run.notice)


def test_watchdog_starts_the_job_after_the_function_died(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    starter = job_starter(pipeline)
    run_id = list_source(pipeline, repository, starter, dies=True)
    assert (pipeline.read(run_id).engine, executions(idle_cloud, run_id)) == ("job", [])
    starter.watch()
    assert len(executions(idle_cloud, run_id)) == 1
    assert count_tickets(idle_cloud) <= 2, "only watchdogs"


def test_watchdog_names_a_wait_that_outlasts_the_job(pipeline: Pipeline, repository: Repository) -> None:
    """A job ends by itself when no step is due. That isn't a fault of the job."""
    starter = job_starter(pipeline, job_patience_s=100.0)
    run_id = list_source(pipeline, repository, starter)
    advance_time(pipeline, 110)
    pipeline.rows("update steps set not_before = now() + interval '1 h' where state = 'ready' returning id")
    starter.watch()
    run = pipeline.read(run_id)
    assert (run.engine, run.notice) == ("tickets", "The run had to wait longer than the job does. Tickets continue it.")


def test_watchdog_hands_over_to_tickets_when_the_job_is_silent(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    starter = job_starter(pipeline, job_patience_s=100.0)
    run_id = list_source(pipeline, repository, starter)
    advance_time(pipeline, 90)
    starter.watch()
    assert pipeline.read(run_id).engine == "job", "it may still start"
    advance_time(pipeline, 20)
    starter.watch()
    run = pipeline.read(run_id)
    assert (run.engine, len(executions(idle_cloud, run_id))) == ("tickets", 1)
    assert "no progress for 100 seconds" in str(run.notice)
    assert count_tickets(idle_cloud) > 2
    pipeline.drain()
    assert pipeline.read(run_id).state == "succeeded"


@pytest.mark.parametrize("progress", ["running step", "recent claim"])
def test_watchdog_keeps_a_job_that_makes_progress(pipeline: Pipeline, repository: Repository, progress: str) -> None:
    starter = job_starter(pipeline, job_patience_s=100.0)
    run_id = list_source(pipeline, repository, starter)
    advance_time(pipeline, 1000)
    change = {
        "running step": "set state = 'running', lease_until = now() + interval '9 s'",
        "recent claim": "set started_at = now() - interval '9 s'",
    }[progress]
    pipeline.rows(f"update steps {change} where kind = 'fetch' and key = '0' returning id")
    starter.watch()
    assert pipeline.read(run_id).engine == "job"


def test_run_of_the_command_line_gets_no_execution(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    run_id = pipeline.start(pipeline.add_source(repository.url))
    job_starter(pipeline).watch()
    assert (pipeline.read(run_id).engine, pipeline.read(run_id).trigger) == ("job", "job")
    assert executions(idle_cloud, run_id) == []
