"""The job's processes: one or several workers of a run, with signals, deaths and a restart of Postgres."""

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

from functions.collection.runs.end import cancel_run
from functions.collection.sources.sources import Source
from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES
from headwater.queue import ledger
from scripts.local.postgres import Cluster
from tests.harness.databases import TEMPLATE, FreshDatabase, describe, make_template, running_server
from tests.harness.job_server import job_program
from tests.harness.paths import ROOT
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.stacks import wait_until
from tests.harness.support import OTHER_WORKSPACE

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

SMALL_STEPS: dict[str, Any] = {"lease_s": 3, "fetch_batch": 8, "embed_batch": 16}


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    # Not the default workspace, so that the job has to find the source's.
    with running_pipeline(database, workspace_id=OTHER_WORKSPACE, **SMALL_STEPS) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write({f"d{n:03}.md": f"# Document {n}\n\n" + f"Water rises to mark {n}. " * 60 for n in range(200)})
    return repository


def run_job(
    pipeline: Pipeline, *arguments: str, index: int = 0, count: int = 1, program: str = "", **environment: str
) -> "subprocess.Popen[str]":
    """Start a job worker, with further variables in `environment`. Without a `program`, the job server forks it."""
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
    command = [program, "-m", "functions.job"] if program else [job_program()]
    return subprocess.Popen(
        [*command, *arguments], env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def expected(module_database: FreshDatabase, repository: Repository) -> tuple[list[object], ...]:
    """The database's contents after a collect without the job."""
    register_model(module_database.admin_url, "constant", 384)
    pipeline = Pipeline(module_database)
    assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
    contents = pipeline.contents()
    pipeline.database.close()
    return contents


def test_collect_command_collects_a_source_and_prints_the_counts(
    pipeline: Pipeline, repository: Repository, expected: tuple[list[object], ...]
) -> None:
    source = pipeline.add_source(repository.url)
    job = run_job(pipeline, "collect", "--source", str(source.id))
    output = job.communicate(timeout=60)[0]
    assert job.returncode == 0, output
    assert "succeeded: 200 added" in output
    assert pipeline.contents() == expected
    assert pipeline.rows("select engine from runs") == [("job",)]


def test_dry_run_prints_the_changes_and_makes_none(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    output = run_job(pipeline, "collect", "--source", str(source.id), "--dry-run").communicate(timeout=60)[0]
    assert "added   d000.md" in output.splitlines()
    assert "preview: 200 added, 0 changed, 0 moved, 0 removed, 0 unchanged" in output
    assert pipeline.rows("select count(*) from documents") == [(0,)]
    pipeline.start(source)
    conflict = run_job(pipeline, "collect", "--source", str(source.id), "--dry-run")
    assert "is open (collect)" in conflict.communicate(timeout=60)[0]
    assert conflict.returncode == 1


def test_workers_complete_a_run_when_one_of_them_dies(
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


def test_worker_exits_after_sigterm_and_leaves_the_remaining_steps(pipeline: Pipeline, repository: Repository) -> None:
    run_id = pipeline.start(pipeline.add_source(repository.url))
    worker = run_job(pipeline, FETCH_BATCH="1")
    wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert pipeline.rows("select count(*) from steps where state = 'running'") == [(0,)]
    assert pipeline.read(run_id).state == "running"


def run_worker(
    pipeline: Pipeline, source: Source, *, index: int = 0, run: object = None, **environment: str
) -> tuple[int, str]:
    """Run a worker of the execution `headwater-x1` to its end. Return its exit code and output."""
    variables = {"CLOUD_RUN_EXECUTION": "headwater-x1", "JOB_IDLE_S": "1", **environment}
    arguments = [f"--source={source.id}", *([f"--run={run}"] if run else [])]
    job = run_job(pipeline, "collect", *arguments, index=index, count=4, **variables)
    output = job.communicate(timeout=60)[0]
    return job.returncode, output


def test_late_workers_of_an_execution_start_no_second_run(
    pipeline: Pipeline, repository: Repository, expected: tuple[list[object], ...]
) -> None:
    source = pipeline.add_source(repository.url)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda index: run_worker(pipeline, source, index=index, JOB_IDLE_S="20"), range(3)))
        late = [
            pool.submit(run_worker, pipeline, source, index=3),
            pool.submit(run_worker, pipeline, source, CLOUD_RUN_TASK_ATTEMPT="1"),
            pool.submit(run_worker, pipeline, source, run=pipeline.rows("select id from runs")[0][0]),
        ]
    assert [code for code, _ in results] == [0, 0, 0], results
    assert ["succeeded: 200 added" in output for _, output in results] == [True, False, False]
    assert [worker.result()[0] for worker in late] == [0, 0, 0]
    assert ["succeeded: 200 added" in worker.result()[1] for worker in late] == [False, True, True]
    assert pipeline.rows("select trigger, engine, execution from runs") == [("job", "job", "headwater-x1")]
    assert pipeline.contents() == expected


@pytest.mark.parametrize("is_named", [False, True])
def test_execution_works_on_the_open_run(pipeline: Pipeline, repository: Repository, is_named: bool) -> None:
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    for index in (0, 1):
        code, output = run_worker(pipeline, source, index=index, run=run_id if is_named else None)
        assert (code, str(run_id) in output) == (0, True)
    assert pipeline.rows("select id, execution from runs") == [(run_id, "headwater-x1")]


def test_other_workers_wait_for_worker_0_to_start_the_run(pipeline: Pipeline, repository: Repository) -> None:
    code, output = run_worker(pipeline, pipeline.add_source(repository.url), index=2)
    assert (code, "no run to work on" in output) == (0, True)
    assert pipeline.rows("select 1 from runs") == []


def test_worker_exits_when_no_step_becomes_due(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    pipeline.rows("update steps set not_before = now() + interval '1 hour' returning id")
    drainer = run_job(pipeline, index=1, JOB_IDLE_S="0.5")
    assert "nothing due: 0 steps" in drainer.communicate(timeout=30)[0]
    assert drainer.returncode == 0
    code, output = run_worker(pipeline, source, JOB_IDLE_S="0.5")
    assert (code, "nothing due: the run stays open" in output) == (1, True), "no queue can continue it"
    code, output = run_worker(pipeline, source, JOB_IDLE_S="0.5", COLLECTION_URL="http://127.0.0.1:9")
    assert (code, "tickets continue it" in output) == (0, True)
    assert pipeline.read(run_id).state == "running"


def test_worker_0_waits_for_a_step_that_another_worker_holds(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    pipeline.start(source)
    with pipeline.database.transaction(ALL_WORKSPACES) as tx:
        assert ledger.claim(tx, "collection", ["list"], "another worker", 6)
    code, output = run_worker(pipeline, source, JOB_IDLE_S="0.5")
    assert (code, "succeeded: 200 added" in output) == (0, True), output


def test_command_fails_when_its_run_fails(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n"})
    source = pipeline.add_source(repository.url)
    shutil.rmtree(tmp_path / "repository")
    code, output = run_worker(pipeline, source, MAX_ATTEMPTS="1")
    assert (code, "failed: 0 added" in output) == (1, True)


def test_step_interrupted_by_sigterm_is_released_at_once(pipeline: Pipeline, repository: Repository) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        pipeline.start(pipeline.add_source(f"http://127.0.0.1:{silent_server.getsockname()[1]}/docs"))
        worker = run_job(pipeline, LEASE_S="60", FETCH_PRIVATE="true")
        wait_until(lambda: pipeline.rows("select 1 from steps where state = 'running'"))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=10)  # Cloud Run kills workers after ten seconds
    assert worker.returncode == 0
    assert pipeline.rows("select state, attempt, lost from steps") == [("ready", 0, 0)]
    config = "jsonb_set(config, '{url}', to_jsonb(cast(:url as text)))"
    pipeline.rows(f"update sources set config = {config} returning id", url=repository.url)
    assert "nothing open" in run_job(pipeline).communicate(timeout=60)[0]
    assert pipeline.rows("select state from runs") == [("succeeded",)]


@pytest.mark.parametrize(("index", "code"), [(0, 1), (1, 0)])
def test_collect_interrupted_by_sigterm_fails_for_worker_0_only(pipeline: Pipeline, index: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        source = pipeline.add_source(f"http://127.0.0.1:{silent_server.getsockname()[1]}/docs")
        arguments = ("collect", f"--source={source.id}", f"--run={pipeline.start(source)}")
        worker = run_job(pipeline, *arguments, index=index, LEASE_S="60", FETCH_PRIVATE="true")
        wait_until(lambda: pipeline.rows("select 1 from steps where state = 'running'"))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
    assert worker.returncode == code


def test_cancelled_run_ends_the_job_without_an_error(pipeline: Pipeline, repository: Repository) -> None:
    run_id = pipeline.start(source := pipeline.add_source(repository.url))
    worker = run_job(pipeline, "collect", f"--source={source.id}", f"--run={run_id}", FETCH_BATCH="1")
    wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        cancel_run(tx, run_id)
    output = worker.communicate(timeout=60)[0]
    assert (worker.returncode, pipeline.read(run_id).state) == (0, "cancelled"), output


def has_used_the_database(pipeline: Pipeline, worker: "subprocess.Popen[str]") -> bool:
    """Return whether a worker has made more than one query. It does not retry its first one."""
    ports = [connection.laddr.port for connection in psutil.Process(worker.pid).net_connections("tcp")]
    queries = "select 1 from pg_stat_activity where client_port = any(:ports) and query_start > backend_start + '1 s'"
    return bool(pipeline.rows(queries, ports=ports))


@pytest.mark.direct
def test_workers_survive_a_restart_of_postgres(
    repository: Repository, expected: tuple[list[object], ...], free_port: Callable[[], int]
) -> None:
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as folder:
        Path(folder).chmod(0o755)
        # With fsync: without it, an immediate stop loses commits that were reported as successful.
        cluster = Cluster(Path(folder) / "pg", free_port())
        with running_server(cluster):
            make_template(cluster)
            pipeline = Pipeline(describe(cluster, TEMPLATE), **SMALL_STEPS)
            register_model(pipeline.settings.database_admin_url, "constant", 384)
            run_id = pipeline.start(pipeline.add_source(repository.url))
            due = "update steps set not_before = now() + cast(:wait as interval) returning id"
            pipeline.rows(due, wait="1 hour")
            workers = [run_job(pipeline, index=index, program=sys.executable, LEASE_S="60") for index in range(2)]
            wait_until(lambda: all(has_used_the_database(pipeline, worker) for worker in workers))
            pipeline.rows(due, wait="0")
            wait_until(lambda: pipeline.rows("select 1 from steps where state = 'done' and kind = 'fetch'"))
        with running_server(cluster):
            outputs = [worker.communicate(timeout=60)[0] for worker in workers]
            assert [worker.returncode for worker in workers] == [0, 0], outputs
            assert pipeline.read(run_id).state == "succeeded"
            assert pipeline.contents() == expected
            assert pipeline.rows("select max(lost), max(attempt) from steps") == [(0, 0)]
            pipeline.database.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["collect", "--source", "00000000-0000-4000-8000-000000000009"], 1, "Source not found"),
        (["collect", "--source", "x"], 2, "invalid UUID"),
        (["collect"], 2, "--source"),
        (["nonsense"], 2, "invalid choice"),
    ],
)
def test_invalid_command_line_is_rejected_with_the_reason(
    pipeline: Pipeline, arguments: list[str], code: int, message: str
) -> None:
    job = run_job(pipeline, *arguments)
    output = job.communicate(timeout=30)[0]
    assert (job.returncode, message in output) == (code, True), output
