"""Concurrent decisions, uploads, collects and workers: each request succeeds or conflicts, and every run ends."""

import shutil
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\nSee [next](d{n + 1:02}.md).\n" for n in range(40)}


def test_concurrent_requests_succeed_or_conflict_and_every_run_ends(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write(dict(PAGES))
    with running_pipeline(database) as pipeline:
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        repository.write(dict.fromkeys(list(PAGES)[10:]))
        withheld = pipeline.collect(source)
        path, decision = f"/api/sources/{source.id}", {"run_id": str(withheld.id)}
        delete = "update documents set deleted_at = now() where key < 'd05' returning id"
        deleted_ids = [str(id_) for (id_,) in pipeline.rows(delete)]
        requests: list[tuple[str, str, Any]] = [
            *(("POST", f"/api/documents/{id_}/restore", None) for id_ in deleted_ids),
            *(("PUT", f"{path}/documents", {"key": f"mine{n}.md", "text": f"Mine {n}."}) for n in range(6)),
            ("POST", f"{path}/removals/accept", decision),
            ("POST", f"{path}/removals/refuse", decision),
            ("POST", f"{path}/collect", None),
            ("POST", f"{path}/collect?dry_run=true", None),
            ("POST", "cancel", None),
        ]
        statuses = _send_concurrently(pipeline, requests * 3)
        assert set(statuses) <= {200, 202, 409}, statuses
        assert statuses[200] > 0
        pipeline.drain()
        assert pipeline.rows("select count(*) from runs where state = 'running'") == [(0,)]
        assert pipeline.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
        assert pipeline.collect(source).state in ("succeeded", "partial")
        chunks_without_vector = """select count(*) from chunks c
            join documents d on d.id = c.document_id and d.deleted_at is null
            left join vectors v using (input_hash) where v.input_hash is null"""
        assert pipeline.rows(chunks_without_vector) == [(0,)]


def _send_concurrently(pipeline: Pipeline, requests: list[tuple[str, str, Any]]) -> Counter[int]:
    """Send requests from several threads while a worker drains the queues. Return the number of each status."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            pipeline.drain(stop=stop.is_set)
            stop.wait(0.01)

    server = CollectionClient(pipeline.database, pipeline.settings).server  # shared by all threads, as in a function
    headers = {"Authorization": f"Bearer {pipeline.settings.local_token}"}

    def send(request: tuple[str, str, Any]) -> int:
        method, path, body = request
        if path == "cancel":
            running = pipeline.rows("select id from runs where state = 'running'")
            path = f"/api/runs/{running[0][0] if running else uuid.uuid4()}/cancel"
        status: int = server.test_client().open(path, method=method, json=body, headers=headers).status_code
        return 409 if "cancel" in path and status == 404 else status

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            return Counter(pool.map(send, requests))
    finally:
        stop.set()
        worker.join()
