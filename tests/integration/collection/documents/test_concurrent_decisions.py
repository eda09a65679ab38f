"""Decisions, collects and workers all at once: each is carried out or refused with the reason, and every run ends."""

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
from tests.harness.pipeline import Pipeline, Repository, opened

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\nSee [next](d{n + 1:02}.md).\n" for n in range(40)}


def test_whatever_is_decided_at_once_nothing_breaks_and_every_run_ends(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write(dict(PAGES))
    with opened(database) as pipeline:
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        repository.write(dict.fromkeys(list(PAGES)[10:]))
        seen = pipeline.collect(source)
        path, answer = f"/api/sources/{source.id}", {"run_id": str(seen.id)}
        deleted = "update documents set deleted_at = now() where key < 'd05' returning id"
        gone = [str(id_) for (id_,) in pipeline.rows(deleted)]
        asked: list[tuple[str, str, Any]] = [
            *(("POST", f"/api/documents/{id_}/restore", None) for id_ in gone),
            *(("PUT", f"{path}/documents", {"key": f"mine{n}.md", "text": f"Mine {n}."}) for n in range(6)),
            ("POST", f"{path}/removals/accept", answer),
            ("POST", f"{path}/removals/refuse", answer),
            ("POST", f"{path}/collect", None),
            ("POST", f"{path}/collect?dry_run=true", None),
            ("POST", "cancel", None),
        ]
        told = _all_at_once(pipeline, asked * 3)
        assert set(told) <= {200, 202, 409}, told
        assert told[200] > 0
        pipeline.drain()
        assert pipeline.rows("select count(*) from runs where state = 'running'") == [(0,)]
        assert pipeline.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
        assert pipeline.collect(source).state in ("succeeded", "partial")
        lacking = """select count(*) from chunks c join documents d on d.id = c.document_id and d.deleted_at is null
            left join vectors v using (input_hash) where v.input_hash is null"""
        assert pipeline.rows(lacking) == [(0,)]


def _all_at_once(pipeline: Pipeline, asked: list[tuple[str, str, Any]]) -> Counter[int]:
    """Ask from several threads while others work; returns how often each status came."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            pipeline.drain(stop=done.is_set)
            done.wait(0.01)

    server = CollectionClient(pipeline.database, pipeline.settings).server  # one for all threads, as in a function

    def ask(one: tuple[str, str, Any]) -> int:
        method, path, body = one
        if path == "cancel":
            running = pipeline.rows("select id from runs where state = 'running'")
            path = f"/api/runs/{running[0][0] if running else uuid.uuid4()}/cancel"
        status: int = server.test_client().open(path, method=method, json=body).status_code
        return 409 if "cancel" in path and status == 404 else status

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            return Counter(pool.map(ask, asked))
    finally:
        done.set()
        worker.join()
