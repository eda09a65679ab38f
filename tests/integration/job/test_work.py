"""A job worker that waits: it indexes the vectors that it stored."""

import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from functions.job import work
from functions.job.database_retry import DatabaseRetry
from functions.job.work import JobWorker
from headwater.embedding import vector_index
from headwater.web.shutdown import Lifetime
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import running_pipeline
from tests.harness.stacks import wait_until


def test_waiting_worker_indexes_the_vectors_that_it_stored(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "build_indexes", partial(vector_index.build_indexes, exact_vectors=1))
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"# Document {name}\n")
    with running_pipeline(database, job_idle_s=0.2, fetch_folders=(str(tmp_path),)) as pipeline:

        def indexes() -> list[tuple[str]]:
            return pipeline.rows("select indexname from pg_indexes where indexname like 'ix_vectors_%_lists_%'")

        worker = JobWorker(pipeline.database, pipeline.settings, Lifetime(), DatabaseRetry())
        assert worker.work(lambda: True) == "nothing due"
        assert indexes() == []
        source = pipeline.add_source(None, kind="folder", path=str(tmp_path))
        pipeline.start(source)
        assert worker.work(lambda: True) == "nothing due"
        wait_until(lambda: indexes() == [("ix_vectors_1_lists_1",)])


@pytest.mark.parametrize("built", [[], ["ix_vectors_1_lists_1"]])
def test_worker_pauses_after_an_attempt_that_built_nothing(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: list[str]
) -> None:
    passed_s = [0.0]
    attempts: list[object] = []

    def take_100_s(settings: object) -> list[str]:
        attempts.append(settings)
        passed_s.append(100)
        return built

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed_s), sleep=time.sleep)
    monkeypatch.setattr(work, "time", clock)
    monkeypatch.setattr(vector_index, "build_indexes", take_100_s)
    with running_pipeline(database, job_idle_s=0.2, fetch_folders=(str(tmp_path),)) as pipeline:
        worker = JobWorker(pipeline.database, pipeline.settings, Lifetime(), DatabaseRetry())
        source = pipeline.add_source(None, kind="folder", path=str(tmp_path))
        for name in ("a", "b"):
            (tmp_path / f"{name}.md").write_text(f"# Document {name}\n")
            run_id = pipeline.start(source)
            while pipeline.read(run_id).state == "running":
                worker.work(lambda: True)
            worker.work(lambda: True)
        assert len(attempts) == (2 if built else 1)
        passed_s.append(500)
        worker.work(lambda: True)
        assert len(attempts) == 2
