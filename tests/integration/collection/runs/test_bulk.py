"""Large runs go to the job: localcloud runs it as real processes, and whatever dies in between, the run goes on."""

import shlex
import shutil
import sys
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
from tests.harness.localcloud import LOCATION, Cloud, localcloud
from tests.harness.pipeline import Pipeline, Repository, opened
from tests.harness.stacks import wait_until
from tests.harness.support import closing_client, queue_settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

DOCUMENTS = 50
BULK = {"job_name": "headwater", "bulk_threshold": 20, "max_job_workers": 2, "fetch_batch": 8, "embed_batch": 16}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("repository"))
    made.write({f"d{n:03}.md": f"# Document {n}\n\n" + f"Water rises to mark {n}. " * 60 for n in range(DOCUMENTS)})
    return made


@pytest.fixture(scope="module")
def idle_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A localcloud whose job does nothing, and whose tickets wake nobody."""
    image = f"{JOB_IMAGE}=/bin/sh -c true"
    with localcloud(tmp_path_factory.mktemp("cloud"), "--image", image) as cloud:
        yield cloud


@pytest.fixture
def pipeline(database: FreshDatabase, idle_cloud: Cloud) -> Iterator[Pipeline]:
    where = {**queue_settings(idle_cloud.url), "run_endpoint": idle_cloud.url}
    with opened(database, **BULK, **where) as made:
        create_all(made.settings)
        for queue in QUEUES:
            idle_cloud.client.pause_queue(name=f"{LOCATION}/queues/{queue}")
            idle_cloud.client.purge_queue(name=f"{LOCATION}/queues/{queue}")
        yield made


def bulk_of(pipeline: Pipeline, **changes: Any) -> JobStarter:
    settings = replace(pipeline.settings, **changes)
    tickets = pipeline.closing.enter_context(closing_client(Tickets(pipeline.database, settings)))
    return pipeline.closing.enter_context(closing_client(JobStarter(pipeline.database, settings, tickets)))


def list_source(pipeline: Pipeline, repository: Repository, bulk: JobStarter, *, dies: bool = False) -> uuid.UUID:
    """Start a run as the API does and take its first step as the function does, or dies in."""
    source = pipeline.add_source(repository.url)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        run_id, _ = start_run(tx, pipeline.workspace_id, source.id, "api")
    steps = handlers(bulk.settings, (lambda _: None) if dies else bulk.start)
    worker = Worker(pipeline.database, bulk.settings, steps, waker=bulk.tickets, holder="test", lifetime=Lifetime())
    worker.drain("collection", stop=iter((False, True)).__next__)
    return run_id


def executions(cloud: Cloud, run_id: uuid.UUID) -> list[Any]:
    """List the executions that were started for a run, whoever knows of them."""
    found = cloud.executions.list_executions(parent=f"{LOCATION}/jobs/headwater")
    return [one for one in found if f"--run={run_id}" in one.template.containers[0].args]


def tickets_sent(cloud: Cloud) -> int:
    return len(cloud.task_ids(f"{LOCATION}/queues/collection"))


def age(pipeline: Pipeline, seconds: float) -> None:
    """Let so much time go by for the job, the leases and what was finished."""
    with pipeline.database.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update runs set job_asked_at = job_asked_at - make_interval(secs => :s)"), {"s": seconds})
        moved = ", ".join(f"{name} = {name} - make_interval(secs => :s)" for name in ("started_at", "finished_at"))
        tx.execute(sa.text(f"update steps set {moved}"), {"s": seconds})


def test_a_large_listing_is_worked_on_by_the_job(
    database: FreshDatabase, repository: Repository, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": database.url, "EMBEDDING_MODEL": "constant", "FETCH_FILE_URLS": "true"}
    image = f"{JOB_IMAGE}={shlex.join((sys.executable, '-m', 'functions.job'))}"
    with (
        localcloud(tmp_path, "--image", image, environment=environment | {"RUN_ENDPOINT": "http://here"}) as cloud,
        opened(database, **BULK, **queue_settings(cloud.url), run_endpoint=cloud.url) as pipeline,
    ):
        create_all(pipeline.settings)
        run_id = list_source(pipeline, repository, bulk_of(pipeline))
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


def test_a_large_retry_goes_to_the_job_too(pipeline: Pipeline, repository: Repository, idle_cloud: Cloud) -> None:
    run_id = list_source(pipeline, repository, bulk_of(pipeline, job_name=""))
    pipeline.rows("update run_items set state = 'failed', reason = 'It rained.' returning key")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        cancel_run(tx, run_id)
        retry_id = retry_failed.retry_run(tx, pipeline.workspace_id, run_id, pipeline.settings)
    bulk_of(pipeline).start(retry_id)
    [execution] = executions(idle_cloud, retry_id)
    assert (pipeline.read(retry_id).engine, execution.task_count) == ("job", 2)


def test_a_small_listing_stays_with_tickets(pipeline: Pipeline, repository: Repository, idle_cloud: Cloud) -> None:
    run_id = list_source(pipeline, repository, bulk_of(pipeline, bulk_threshold=DOCUMENTS))
    assert (pipeline.read(run_id).engine, executions(idle_cloud, run_id)) == ("tickets", [])
    assert tickets_sent(idle_cloud) > 0


def test_where_no_job_is_named_tickets_do_the_largest(pipeline: Pipeline, repository: Repository) -> None:
    run_id = list_source(pipeline, repository, bulk_of(pipeline, job_name=""))
    assert (pipeline.read(run_id).engine, pipeline.read(run_id).notice) == ("tickets", None)


def test_however_often_it_is_asked_for_a_run_gets_one_execution(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    bulk = bulk_of(pipeline)
    run_id = list_source(pipeline, repository, bulk, dies=True)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda n: bulk.start(run_id) if n % 2 else bulk.watch(), range(5)))
    [execution] = executions(idle_cloud, run_id)
    assert execution.name.endswith(f"/{pipeline.read(run_id).execution}")
    assert execution.task_count == 2


def test_a_job_that_cannot_be_started_is_told_and_tickets_go_on_at_once(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    run_id = list_source(pipeline, repository, bulk_of(pipeline, job_name="missing"))
    run = pipeline.read(run_id)
    assert (run.engine, run.execution) == ("tickets", None)
    assert "The Cloud Run job missing couldn't be started" in str(run.notice)
    assert tickets_sent(idle_cloud) > 0


def test_a_cloud_run_that_cannot_be_reached_holds_nothing_up(pipeline: Pipeline, repository: Repository) -> None:
    run_id = list_source(pipeline, repository, bulk_of(pipeline, run_endpoint="http://127.0.0.1:9"))
    run = pipeline.read(run_id)
    assert run.engine == "tickets"
    assert "couldn't be started" in str(run.notice)


def test_the_watchdog_asks_when_whoever_listed_died_before_it_could(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    bulk = bulk_of(pipeline)
    run_id = list_source(pipeline, repository, bulk, dies=True)
    assert (pipeline.read(run_id).engine, executions(idle_cloud, run_id)) == ("job", [])
    bulk.watch()
    assert len(executions(idle_cloud, run_id)) == 1
    assert tickets_sent(idle_cloud) <= 2, "watchdogs only"


def test_the_watchdog_goes_on_with_tickets_when_the_job_gives_no_sign_of_life(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    bulk = bulk_of(pipeline, job_patience_s=100.0)
    run_id = list_source(pipeline, repository, bulk)
    age(pipeline, 90)
    bulk.watch()
    assert pipeline.read(run_id).engine == "job", "it may still come"
    age(pipeline, 20)
    bulk.watch()
    run = pipeline.read(run_id)
    assert (run.engine, len(executions(idle_cloud, run_id))) == ("tickets", 1)
    assert "no progress for 100 seconds" in str(run.notice)
    assert tickets_sent(idle_cloud) > 2
    pipeline.drain()
    assert pipeline.read(run_id).state == "succeeded"


@pytest.mark.parametrize("sign", ["a step in hand", "a step claimed"])
def test_a_job_that_works_is_left_to_it(pipeline: Pipeline, repository: Repository, sign: str) -> None:
    bulk = bulk_of(pipeline, job_patience_s=100.0)
    run_id = list_source(pipeline, repository, bulk)
    age(pipeline, 1000)
    change = {
        "a step in hand": "set state = 'running', lease_until = now() + interval '9 s'",
        "a step claimed": "set started_at = now() - interval '9 s'",
    }[sign]
    pipeline.rows(f"update steps {change} where kind = 'fetch' and key = '0' returning id")
    bulk.watch()
    assert pipeline.read(run_id).engine == "job"


def test_a_run_that_a_command_began_gets_no_execution(
    pipeline: Pipeline, repository: Repository, idle_cloud: Cloud
) -> None:
    run_id = pipeline.start(pipeline.add_source(repository.url))
    bulk_of(pipeline).watch()
    assert (pipeline.read(run_id).engine, pipeline.read(run_id).trigger) == ("job", "job")
    assert executions(idle_cloud, run_id) == []
