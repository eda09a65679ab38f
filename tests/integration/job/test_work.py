"""A job worker that waits: it indexes the vectors that it stored."""

from functools import partial
from pathlib import Path

import pytest

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
