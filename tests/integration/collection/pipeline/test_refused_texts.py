"""A text that the embedding provider refuses is named with its document; all other texts are embedded."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.collection.runs.read import Reason
from tests.fakes.embedding_provider import Answer, EmbeddingProvider, embedding_provider
from tests.harness.databases import FreshDatabase
from tests.harness.git_server import GIT
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(GIT is None, reason="needs git: makes repositories with it")

PAGES = {
    "a.md": "# A\n\nHarmless.\n",
    "docs/b.md": "# B\n\n"
    + "Harmless, and long. " * 40
    + "\n\n## Forbidden\n\nThe word is xyzzy. "
    + "It follows. " * 80
    + "\n",
    "docs/c.md": "# C\n\nxyzzy and more.\n",
}
REFUSAL = "openai:small rejects the text (HTTP 400). The provider's content policy forbids it. "


class Picky(EmbeddingProvider):
    """Refuses every request with the word `xyzzy`."""

    def take(self, key: str, request: dict[str, Any]) -> Answer:
        answer = super().take(key, request)
        return 400 if any("xyzzy" in text for text in request["input"]) else answer


@pytest.fixture
def pipeline(empty_database: FreshDatabase) -> Iterator[Pipeline]:
    with embedding_provider(Picky(dim=384, error_code="content_filter")) as provider:
        settings = {"embedding_model": "openai:small", "embedding_base_url": provider.url, "embedding_dim": 384}
        with running_pipeline(empty_database, **settings, openai_api_key="k") as pipeline:
            yield pipeline


def test_refused_texts_are_named_with_their_documents(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.write(PAGES)
    source = pipeline.add_source(repository.url)
    run = pipeline.collect(source)
    chunks = run.counts.chunks
    assert (run.state, run.counts.added, run.counts.failed, run.counts.embedded) == ("partial", 3, 0, chunks - 2)
    assert run.error is not None
    advice = "Change or divide this part of the document, or exclude the document."
    detail = f"Some texts could not be embedded: docs/b.md, from line 5: {REFUSAL}{advice} 1 more failed."
    assert run.error["detail"] == detail
    assert run.warnings == [
        Reason("docs/b.md", f"docs/b.md, from line 5: {REFUSAL}{advice}"),
        Reason("docs/c.md", f"docs/c.md, from line 1: {REFUSAL}{advice}"),
    ]
    assert "xyzzy" not in repr(run)

    again = pipeline.collect(source)  # nothing has changed, so the run has no items
    assert again.error is not None
    assert again.error["detail"] == detail


class Choking(EmbeddingProvider):
    """Answers 500 to every request with the word `xyzzy`, as servers do whose model fails at a text."""

    def take(self, key: str, request: dict[str, Any]) -> Answer:
        answer = super().take(key, request)
        return 500 if any("xyzzy" in text for text in request["input"]) else answer


def test_text_at_which_the_provider_fails_is_named(
    empty_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)  # without a delay before the next attempt
    repository = Repository(tmp_path / "r")
    repository.write({f"{n}.md": f"# Page {n}\n\nThe word is {'xyzzy' if n == 77 else n}.\n" for n in range(100)})
    with embedding_provider(Choking(dim=384)) as provider:
        settings = {"embedding_model": "openai:small", "embedding_base_url": provider.url, "embedding_dim": 384}
        with running_pipeline(empty_database, **settings, openai_api_key="k") as pipeline:
            run = pipeline.collect(pipeline.add_source(repository.url))
    assert (run.state, run.counts.embedded) == ("partial", 99)
    [warning] = run.warnings
    assert warning.key == "77.md"
    assert "HTTP 500" in warning.reason
    assert "Change or exclude this one" in warning.reason
    assert len(provider.batches) < 60


def test_failure_of_all_texts_is_no_fault_of_a_document(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.write({"a.md": "# A\n\nHarmless.\n"})
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    pipeline.drain(queues=["collection"])
    provider_settings = pipeline.settings
    pipeline.settings = type(provider_settings)(**{**vars(provider_settings), "embedding_dim": 7})
    pipeline.drain()
    run = pipeline.read(run_id)
    assert (run.state, run.warnings) == ("partial", [])
    assert run.error is not None
    assert "Check EMBEDDING_DIM" in run.error["detail"]
