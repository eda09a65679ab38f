"""Scales in the database: stored by the first embed step of a language, read by searches, measured after an upgrade."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.chat.retrieval.search import Search
from functions.collection.sources import sources
from headwater.database.migrations import register_model
from headwater.database.transactions import owner_transaction
from headwater.embedding.registry import Embedders
from headwater.embedding.scales import measure_missing, neutral_texts
from tests.fakes.embedding_provider import EmbeddingProvider, embedding_provider
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

MODEL = "openai:small"
NEUTRAL = {text for pair in neutral_texts()["en"] for text in pair}


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with embedding_provider(EmbeddingProvider(dim=8)) as running:
        yield running


@pytest.fixture
def pipeline(database: FreshDatabase, provider: EmbeddingProvider, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline with a hosted model and a repository of one document, which is not collected yet."""
    settings: dict[str, Any] = {"embedding_model": MODEL, "embedding_base_url": provider.url, "embedding_dim": 8}
    pipeline = Pipeline(database, **settings, database_admin_url=database.admin_url)
    register_model(database.admin_url, MODEL, 8)
    repository = Repository(tmp_path / "repository")
    repository.write({"tide.md": "# Tide\n\nWater rises to the mark twice a day."})
    with pipeline.closing:
        pipeline.add_source(repository.url)
        yield pipeline


def collect(pipeline: Pipeline) -> str:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        (source,) = sources.read_sources(tx, pipeline.workspace_id)
    return pipeline.collect(source).state


def stored(pipeline: Pipeline) -> list[tuple[object, ...]]:
    return pipeline.rows("select language, unit is null from embedding_scales")


def test_first_embed_step_measures_and_searches_ask_for_their_query_only(
    pipeline: Pipeline, provider: EmbeddingProvider
) -> None:
    assert collect(pipeline) == "succeeded"
    assert stored(pipeline) == [("en", True)], "the fake's vectors have no meaning"
    asked = [text for batch in provider.batches for text in batch]
    assert len(NEUTRAL.intersection(asked)) == 16
    del provider.batches[:]
    search = Search(pipeline.database, Embedders(pipeline.settings))
    assert [hit.key for hit in search(pipeline.workspace_id, "water", 5)] == ["tide.md"]
    assert provider.batches == [["water"]]


def test_provider_that_refuses_neutral_texts_delays_no_documents_and_no_search(
    pipeline: Pipeline, provider: EmbeddingProvider
) -> None:
    provider.answers = iter([400])
    assert collect(pipeline) == "succeeded"
    assert stored(pipeline) == []
    search = Search(pipeline.database, Embedders(pipeline.settings))
    [hit] = search(pipeline.workspace_id, "water rises", 5)
    assert (hit.key, hit.relevant) == ("tide.md", True)
    assert hit.similarity is not None, "vectors rank, words judge"


def test_migrate_measures_what_was_embedded_before_and_survives_a_failure(
    pipeline: Pipeline, provider: EmbeddingProvider
) -> None:
    collect(pipeline)
    with owner_transaction(pipeline.settings.database_admin_url) as tx:
        tx.execute(sa.text("delete from headwater.embedding_scales"))
    embedders = Embedders(pipeline.settings)
    provider.answers = iter([500])
    measure_missing(pipeline.settings, embedders)
    assert stored(pipeline) == []
    measure_missing(pipeline.settings, embedders)
    assert stored(pipeline) == [("en", True)]
    del provider.batches[:]
    measure_missing(pipeline.settings, embedders)
    assert provider.batches == []
