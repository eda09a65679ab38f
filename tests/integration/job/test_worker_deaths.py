"""A job with four workers, of which one is killed and one terminated, stores the same as a collect by tickets.

Both are real: localcloud sends the tickets to the functions and runs the job's processes. To run the test of a large
corpus, which takes minutes:

    HEADWATER_FULL=1 HEADWATER_DATA=… python -m pytest -s tests/integration/job/test_worker_deaths.py
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from functions.collection.sources.sources import Source
from scripts.local.cloud_resources import create_all
from scripts.local.postgres import Cluster
from scripts.local.stack import JOB_IMAGE
from tests.harness.databases import FreshDatabase, fresh_database
from tests.harness.function_server import serve_function
from tests.harness.job_server import job_program
from tests.harness.localcloud import LOCATION, Cloud, localcloud
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.stacks import wait_until
from tests.harness.support import queue_settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

WORKERS = 4
SMALL_STEPS = {"LEASE_S": "3", "FETCH_BATCH": "4", "EMBED_BATCH": "16"}


def variables(database: FreshDatabase, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the functions and the job."""
    return {
        "DATABASE_URL": database.url,
        "EMBEDDING_MODEL": "constant",
        "FETCH_FILE_URLS": "true",
        "RUN_ENDPOINT": "http://127.0.0.1:9",
        **settings,
    }


@contextmanager
def collected_by_tickets(
    database: FreshDatabase, url: str, folder: Path, ports: tuple[int, int], settings: Mapping[str, str]
) -> Iterator[Pipeline]:
    """Collect a source by tickets. Yield a pipeline on its database."""
    urls = {"collection_url": f"http://127.0.0.1:{ports[0]}", "embedding_url": f"http://127.0.0.1:{ports[1]}"}
    with ExitStack() as stack:
        cloud = stack.enter_context(localcloud(folder, "--sign-tokens"))
        cloud_settings = {**queue_settings(cloud.url), **urls, "watchdog_s": 2.0}
        pipeline = stack.enter_context(running_pipeline(database, **cloud_settings))
        create_all(pipeline.settings)
        environment = variables(
            database, {name.upper(): str(value) for name, value in cloud_settings.items()} | dict(settings)
        )
        collection = stack.enter_context(serve_function("collection", ports[0], environment))
        stack.enter_context(serve_function("embedding", ports[1], environment))
        source = pipeline.add_source(url)
        run_id = collection.post(f"/api/sources/{source.id}/collect").json()["run_id"]
        wait_until(lambda: pipeline.read(run_id).state != "running", timeout_s=1200)
        assert pipeline.read(run_id).state == "succeeded"
        yield pipeline


def workers(cloud: Cloud) -> dict[str, psutil.Process]:
    """Return the processes of the running job workers by index."""
    processes = {}
    for process in psutil.Process(cloud.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # raised for zombies too
            processes[process.environ().get("CLOUD_RUN_TASK_INDEX", "")] = process
    return processes


def collect_by_job_with_deaths(cloud: Cloud, pipeline: Pipeline, source: Source) -> Any:
    """Collect with four workers; kill one and terminate one half-way. Return the execution."""
    arguments = ["collect", f"--source={source.id}"]
    execution = cloud.execute(
        f"{LOCATION}/jobs/headwater", container_overrides=[{"args": arguments}], task_count=WORKERS
    )
    is_half_done = (
        "select count(*) filter (where state = 'done') * 2 >= count(*) and count(*) > 0 from steps where kind = 'fetch'"
    )
    wait_until(lambda: pipeline.rows(is_half_done) == [(True,)], timeout_s=600)
    workers_with_steps = "select count(distinct split_part(holder, '/', 2)) from steps"
    wait_until(lambda: pipeline.rows(workers_with_steps)[0][0] >= 3)
    processes = workers(cloud)
    processes["1"].send_signal(signal.SIGKILL)
    processes["2"].send_signal(signal.SIGTERM)
    wait_until(lambda: cloud.executions.get_execution(name=execution).completion_time, timeout_s=600)
    return cloud.executions.get_execution(name=execution)


def compare(
    cluster: Cluster, url: str, folder: Path, ports: tuple[int, int], settings: Mapping[str, str]
) -> dict[str, float]:
    """Collect a source by tickets and by the job, and compare the contents. Return the seconds of each."""
    with ExitStack() as stack:
        databases = [stack.enter_context(fresh_database(cluster)) for _ in range(2)]
        started = time.perf_counter()
        tickets = stack.enter_context(collected_by_tickets(databases[0], url, folder / "tickets", ports, settings))
        seconds = {"tickets": time.perf_counter() - started}
        environment = variables(databases[1], settings)
        cloud = stack.enter_context(
            localcloud(folder / "job", "--image", f"{JOB_IMAGE}={job_program()}", environment=environment)
        )
        job = stack.enter_context(running_pipeline(databases[1], **queue_settings(cloud.url), job_name="headwater"))
        create_all(job.settings)
        started = time.perf_counter()
        execution = collect_by_job_with_deaths(cloud, job, job.add_source(url))
        seconds["job"] = time.perf_counter() - started
        assert (execution.succeeded_count, execution.failed_count) == (WORKERS, 0)
        assert job.rows("select state, engine, trigger from runs") == [("succeeded", "job", "job")]
        assert job.rows("select count(*) from run_items where state <> 'done'") == [(0,)]
        assert job.rows("select coalesce(sum(attempt), 0), sum(lost) <= 1 from steps") == [(0, True)]
        for name, by_job, by_tickets in zip(
            ("documents", "chunks", "vectors", "relations"), job.contents(), tickets.contents(), strict=True
        ):
            assert by_job == by_tickets, f"{name} differ"
            print(f"{len(by_job):,} {name} are the same")
        return seconds


def test_job_with_deaths_stores_the_same_as_tickets(
    migrated_postgres: Cluster, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    repository = Repository(tmp_path / "repository")
    section = "## Part {part} of {n}\n\nValve {n}.{part} opens when the water rises; see [next](d{next:03}.md).\n\n"
    repository.write(
        {
            f"d{n:03}.md": f"# Document {n}\n\n"
            + "".join(section.format(n=n, part=p, next=(n + 1) % 240) for p in range(8))
            for n in range(240)
        }
    )
    print(compare(migrated_postgres, repository.url, tmp_path, (free_port(), free_port()), SMALL_STEPS))


@pytest.mark.skipif("HEADWATER_FULL" not in os.environ, reason="needs HEADWATER_FULL: it takes minutes")
@pytest.mark.skipif("HEADWATER_DATA" not in os.environ, reason="needs HEADWATER_DATA: it names no folder")
def test_job_with_deaths_stores_the_same_for_a_large_corpus(
    migrated_postgres: Cluster, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    bundle = Path(os.environ["HEADWATER_DATA"]) / "cpp-docs.bundle"
    subprocess.run(["git", "clone", "-q", str(bundle), str(tmp_path / "docs")], check=True)
    seconds = compare(migrated_postgres, (tmp_path / "docs").as_uri(), tmp_path, (free_port(), free_port()), {})
    print({name: round(value, 1) for name, value in seconds.items()})
