"""The job as a plain process: alone, several at once, and with one of them killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from functions.collection.sources.sources import Source
from headwater.database.migrations import register_model
from scripts.local.postgres import Cluster
from tests.harness.databases import TEMPLATE, FreshDatabase, describe, make_template, running_server
from tests.harness.paths import ROOT
from tests.harness.pipeline import Pipeline, Repository, opened
from tests.harness.stacks import wait_until
from tests.harness.support import OTHER_WORKSPACE

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

SMALL_STEPS: dict[str, Any] = {"lease_s": 3, "fetch_batch": 8, "embed_batch": 16}


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    # Not the laptop's own workspace: the job finds a source's by itself.
    with opened(database, workspace_id=OTHER_WORKSPACE, **SMALL_STEPS) as made:
        yield made


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("repository"))
    made.write({f"d{n:03}.md": f"# Document {n}\n\n" + f"Water rises to mark {n}. " * 60 for n in range(200)})
    return made


def run_job(
    pipeline: Pipeline, *arguments: str, index: int = 0, count: int = 1, **environment: str
) -> "subprocess.Popen[str]":
    """Start a job worker; `environment` is what Cloud Run or a person sets on top."""
    settings = pipeline.settings
    variables = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "EMBEDDING_MODEL": "constant",
        "FETCH_FILE_URLS": "true",
        "LEASE_S": str(settings.lease_s),
        "FETCH_BATCH": str(settings.fetch_batch),
        "EMBED_BATCH": str(settings.embed_batch),
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(count),
        **environment,
    }
    command = [sys.executable, "-m", "functions.job", *arguments]
    return subprocess.Popen(
        command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def expected(module_database: FreshDatabase, repository: Repository) -> tuple[list[object], ...]:
    """What a collect without the job leaves behind."""
    register_model(module_database.admin_url, "constant", 384)
    pipeline = Pipeline(module_database)
    assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
    contents = pipeline.contents()
    pipeline.database.close()
    return contents


def test_one_command_collects_a_source_and_tells_what_it_came_to(
    pipeline: Pipeline, repository: Repository, expected: tuple[list[object], ...]
) -> None:
    source = pipeline.add_source(repository.url)
    job = run_job(pipeline, "collect", "--source", str(source.id))
    output = job.communicate(timeout=60)[0]
    assert job.returncode == 0, output
    assert "succeeded: 200 added" in output
    assert pipeline.contents() == expected
    assert pipeline.rows("select engine from runs") == [("job",)]


def test_a_dry_run_prints_the_difference_and_changes_nothing(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    output = run_job(pipeline, "collect", "--source", str(source.id), "--dry-run").communicate(timeout=60)[0]
    assert "added   d000.md" in output.splitlines()
    assert "preview: 200 added, 0 changed, 0 removed" in output
    assert pipeline.rows("select count(*) from documents") == [(0,)]
    pipeline.start(source)
    refused = run_job(pipeline, "collect", "--source", str(source.id), "--dry-run")
    assert "is open (collect)" in refused.communicate(timeout=60)[0]
    assert refused.returncode == 1


def test_three_workers_share_a_run_and_one_may_die(
    pipeline: Pipeline, repository: Repository, expected: tuple[list[object], ...]
) -> None:
    run_id = pipeline.start(pipeline.add_source(repository.url))
    workers = [run_job(pipeline, index=index, count=3) for index in range(3)]
    wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
    workers[1].send_signal(signal.SIGKILL)
    for worker in workers:
        worker.communicate(timeout=60)
    assert [worker.returncode for worker in workers] == [0, -signal.SIGKILL, 0]
    run = pipeline.read(run_id)
    assert (run.state, run.counts.added, run.failures) == ("succeeded", 200, [])
    assert pipeline.contents() == expected
    holders = pipeline.rows("select count(distinct split_part(holder, '/', 2)) from steps")
    assert holders[0][0] >= 2


def test_a_worker_asked_to_end_finishes_its_step_and_ends(pipeline: Pipeline, repository: Repository) -> None:
    pipeline.start(pipeline.add_source(repository.url))
    worker = run_job(pipeline)
    wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert pipeline.rows("select count(*) from steps where state = 'running'") == [(0,)]


def collected(
    pipeline: Pipeline, source: Source, *, index: int = 0, run: object = None, **environment: str
) -> tuple[int, str]:
    """Run a worker of the execution `headwater-x1` to its end; returns its exit code and what it said."""
    variables = {"CLOUD_RUN_EXECUTION": "headwater-x1", "JOB_IDLE_S": "1", **environment}
    arguments = [f"--source={source.id}", *([f"--run={run}"] if run else [])]
    job = run_job(pipeline, "collect", *arguments, index=index, count=4, **variables)
    said = job.communicate(timeout=60)[0]
    return job.returncode, said


def test_workers_of_one_execution_share_a_run_and_late_ones_start_no_other(
    pipeline: Pipeline, repository: Repository, expected: tuple[list[object], ...]
) -> None:
    source = pipeline.add_source(repository.url)
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda index: collected(pipeline, source, index=index, JOB_IDLE_S="20"), range(3)))
        late = [
            pool.submit(collected, pipeline, source, index=3),
            pool.submit(collected, pipeline, source, CLOUD_RUN_TASK_ATTEMPT="1"),
            pool.submit(collected, pipeline, source, run=pipeline.rows("select id from runs")[0][0]),
        ]
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert ["succeeded: 200 added" in said for _, said in ended] == [True, False, False]
    assert [one.result()[0] for one in late] == [0, 0, 0]
    assert ["succeeded: 200 added" in one.result()[1] for one in late] == [False, True, True]
    assert pipeline.rows("select trigger, engine, execution from runs") == [("job", "job", "headwater-x1")]
    assert pipeline.contents() == expected


def test_an_execution_works_on_the_run_that_worker_0_finds_open(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    for index in (0, 1):
        code, said = collected(pipeline, source, index=index)
        assert (code, str(run_id) in said) == (0, True)
    assert pipeline.rows("select id, execution from runs") == [(run_id, "headwater-x1")]


def test_only_worker_0_starts_a_run_and_the_others_wait_for_it_a_while(
    pipeline: Pipeline, repository: Repository
) -> None:
    code, said = collected(pipeline, pipeline.add_source(repository.url), index=2)
    assert (code, "no run to work on" in said) == (0, True)
    assert pipeline.rows("select 1 from runs") == []


def test_a_worker_ends_when_nothing_becomes_due(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    pipeline.rows("update steps set not_before = now() + interval '1 hour' returning id")
    helper = run_job(pipeline, index=1, JOB_IDLE_S="0.5")
    assert "nothing due: 0 steps" in helper.communicate(timeout=30)[0]
    assert helper.returncode == 0
    code, said = collected(pipeline, source, JOB_IDLE_S="0.5")
    assert (code, "nothing due: the run stays open" in said) == (1, True), "there is no queue to go on with it"
    code, said = collected(pipeline, source, JOB_IDLE_S="0.5", COLLECTION_URL="http://127.0.0.1:9")
    assert (code, "tickets continue it" in said) == (0, True)
    assert pipeline.read(run_id).state == "running"


def test_a_run_that_fails_fails_its_command(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "gone")
    repository.write({"a.md": "# A\n"})
    source = pipeline.add_source(repository.url)
    shutil.rmtree(tmp_path / "gone")
    code, said = collected(pipeline, source, MAX_ATTEMPTS="1")
    assert (code, "failed: 0 added" in said) == (1, True)


def test_a_step_that_outlasts_its_worker_is_given_back_and_another_takes_it_at_once(
    pipeline: Pipeline, repository: Repository
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        pipeline.start(pipeline.add_source(f"http://127.0.0.1:{deaf.getsockname()[1]}/docs"))
        worker = run_job(pipeline, LEASE_S="60", FETCH_PRIVATE="true")
        wait_until(lambda: pipeline.rows("select 1 from steps where state = 'running'"))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=10)  # Cloud Run kills what takes longer
    assert worker.returncode == 0
    assert pipeline.rows("select state, attempt, lost from steps") == [("ready", 0, 0)]
    config = "jsonb_set(config, '{url}', to_jsonb(cast(:url as text)))"
    pipeline.rows(f"update sources set config = {config} returning id", url=repository.url)
    assert "nothing open" in run_job(pipeline).communicate(timeout=60)[0]
    assert pipeline.rows("select state from runs") == [("succeeded",)]


def has_asked(pipeline: Pipeline, worker: "subprocess.Popen[str]") -> bool:
    """Tell whether a worker has had more than one answer of the database: it outlives only what it has seen."""
    ports = [connection.laddr.port for connection in psutil.Process(worker.pid).net_connections("tcp")]
    asked = "select 1 from pg_stat_activity where client_port = any(:ports) and query_start > backend_start + '1 s'"
    return bool(pipeline.rows(asked, ports=ports))


@pytest.mark.direct
def test_workers_outlive_a_restart_of_postgres(
    repository: Repository, expected: tuple[list[object], ...], free_port: Callable[[], int]
) -> None:
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as folder:
        Path(folder).chmod(0o755)
        # Durable: stopped at once, a server that isn't forgets commits whose success it has already told.
        cluster = Cluster(Path(folder) / "pg", free_port())
        with running_server(cluster):
            make_template(cluster)
            pipeline = Pipeline(describe(cluster, TEMPLATE), **SMALL_STEPS)
            register_model(pipeline.settings.database_admin_url, "constant", 384)
            run_id = pipeline.start(pipeline.add_source(repository.url))
            due = "update steps set not_before = now() + cast(:wait as interval) returning id"
            pipeline.rows(due, wait="1 hour")
            workers = [run_job(pipeline, index=index, LEASE_S="60") for index in range(2)]
            wait_until(lambda: all(has_asked(pipeline, worker) for worker in workers))
            pipeline.rows(due, wait="0")
            wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
        with running_server(cluster):
            said = [worker.communicate(timeout=60)[0] for worker in workers]
            assert [worker.returncode for worker in workers] == [0, 0], said
            assert pipeline.read(run_id).state == "succeeded"
            assert pipeline.contents() == expected
            assert pipeline.rows("select max(lost), max(attempt) from steps") == [(0, 0)]
            pipeline.database.close()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["collect", "--source", "00000000-0000-4000-8000-000000000009"], 1, "Source not found"),
        (["collect", "--source", "x"], 2, "invalid UUID"),
        (["collect"], 2, "--source"),
        (["nonsense"], 2, "invalid choice"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    pipeline: Pipeline, arguments: list[str], code: int, told: str
) -> None:
    job = run_job(pipeline, *arguments)
    output = job.communicate(timeout=30)[0]
    assert (job.returncode, told in output) == (code, True), output
