"""The job as a plain process: alone, several at once, and with one of them killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.migrations import register_model
from tests.databases import FreshDatabase
from tests.pipeline import Pipeline, Repository, opened
from tests.stacks import wait_until
from tests.support import OTHER_WORKSPACE

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    # Not the laptop's own workspace: the job finds a source's by itself.
    with opened(database, workspace_id=OTHER_WORKSPACE, lease_s=3, fetch_batch=8, embed_batch=16) as made:
        yield made


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("repository"))
    made.write({f"d{n:03}.md": f"# Document {n}\n\n" + f"Water rises to mark {n}. " * 60 for n in range(200)})
    return made


def run_job(pipeline: Pipeline, *arguments: str, index: int = 0, count: int = 1) -> "subprocess.Popen[str]":
    settings = pipeline.settings
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "EMBEDDING_MODEL": "constant",
        "FETCH_FILE_URLS": "true",
        "LEASE_S": str(settings.lease_s),
        "FETCH_BATCH": str(settings.fetch_batch),
        "EMBED_BATCH": str(settings.embed_batch),
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(count),
    }
    command = [sys.executable, "-m", "functions.job", *arguments]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
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


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["collect", "--source", "00000000-0000-4000-8000-000000000009"], 1, "No source"),
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
