"""A GitHub source through the pipeline: stored documents, pauses, and workers that die."""

import pytest

from functions.collection.connectors.github import connector
from tests.fakes.api_server import Reply
from tests.fakes.github import GitHub
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline

REPO = "acme/handbook"


def test_workers_that_die_lose_and_double_no_thread(
    pipeline: Pipeline, server: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.page_size = 2
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    source = pipeline.add_source(f"{server.origin}/{REPO}", kind="github")
    pipeline.start(source)
    die_everywhere(pipeline)
    assert pipeline.live_keys() == ["issues/1", "issues/2", "pulls/3", "releases/v1"]
    [(title, matter)] = pipeline.rows("select title, front_matter from documents where key = 'issues/2'")
    assert (title, matter["labels"], matter["number"]) == ("Thread 2", ["docs"], 2)

    server.refusals = [Reply({"message": "slow down"}, 429, {"Retry-After": "77"})]
    run_id = pipeline.start(source)
    pipeline.drain()
    waiting = pipeline.read(run_id).waiting
    assert waiting is not None
    assert waiting.server == server.origin.removeprefix("http://")
