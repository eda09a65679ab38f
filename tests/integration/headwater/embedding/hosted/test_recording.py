"""Tokens and cost of hosted models, by workspace: of documents, of searches, and of work that fails afterwards."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.chat.retrieval.search import Search
from headwater.database.migrations import register_model
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import Embedders
from headwater.errors import PermanentError
from headwater.usage.record import Payer
from tests.fakes.embedding_provider import EmbeddingProvider, embedding_provider
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository
from tests.harness.support import OTHER_WORKSPACE

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

MODEL = "openai:priced#8"
PRICES = '[models]\n"openai:priced" = { input = 2 }'


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with embedding_provider(EmbeddingProvider(dim=8)) as provider:
        settings: dict[str, Any] = {"embedding_model": MODEL, "embedding_base_url": provider.url, "prices": PRICES}
        pipeline = Pipeline(database, **settings)
        register_model(database.admin_url, MODEL, 8)
        with pipeline.closing:
            yield pipeline


def used(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.rows("select kind, model, member_id, input_tokens, calls, cost from usage")


def test_documents_and_queries_are_recorded_with_their_cost(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"tide.md": "# Tide\n\nWater rises."})
    assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
    [(kind, model, member, tokens, calls, cost)] = used(pipeline)
    assert (kind, model, member) == ("embedding", "openai:priced", None)
    assert (tokens, calls) == (3, 3), "two requests measure the language, one has the text; the fake counts 1 for each"
    assert float(cost) == pytest.approx(3 * 2 / 1e6)
    embedders, recorder = Embedders(pipeline.settings), Recorder(pipeline.database, pipeline.settings)
    assert Search(pipeline.database, embedders, recorder=recorder)(pipeline.workspace_id, "water", 5)
    assert used(pipeline)[0][3:5] == (4, 4)


def test_what_was_charged_counts_if_the_work_fails(pipeline: Pipeline) -> None:
    embedders, recorder = Embedders(pipeline.settings), Recorder(pipeline.database, pipeline.settings)

    def work() -> None:
        with recorder.recording(Payer(OTHER_WORKSPACE), MODEL):
            embedders(MODEL).embed_documents(["a"])
            raise PermanentError("It fails afterwards.")

    with pytest.raises(PermanentError, match="afterwards"):
        work()
    with recorder.recording(Payer(OTHER_WORKSPACE), "all-MiniLM-L6-v2"):
        pass
    assert used(pipeline) == [], "another workspace sees nothing"
    other = Pipeline.__new__(Pipeline)
    other.__dict__ |= {**pipeline.__dict__, "workspace_id": OTHER_WORKSPACE}
    assert [row[3:5] for row in used(other)] == [(1, 1)]
