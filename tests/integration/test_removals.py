"""Deletes that are safe: what a sync may remove, what it may not, and what is found of what was removed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.chat.search import Search
from functions.collection.runs import Run
from headwater.embedder import ConstantEmbedder
from tests.databases import FreshDatabase
from tests.pipeline import Pipeline, Repository, opened

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\ntext of page {n}\n" for n in range(30)}
SMALL: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [install](install.md).\n",
    "install.md": "# Install\n\nScrew it to the wall. Back to the [pump](pump.md).\n",
}
LINKS = "select d.key, t.key from relations l join documents d on d.id = l.document_id " + (
    "left join documents t on t.id = l.target_document_id order by 1"
)


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with opened(database) as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def live(pipeline: Pipeline) -> list[str]:
    return [key for (key,) in pipeline.rows("select key from documents where deleted_at is null order by key")]


def found(pipeline: Pipeline, question: str) -> set[str]:
    search = Search(pipeline.database, lambda name: ConstantEmbedder())
    return {passage.key for passage in search(pipeline.workspace_id, question, 10)}


def shrink(pipeline: Pipeline, repository: Repository, keep: int) -> Run:
    """Collect thirty pages, then a commit that has the first `keep` of them only."""
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({**dict.fromkeys(list(PAGES)[keep:]), "new.md": "# New\n\nnew\n"})
    return pipeline.collect(source)


def test_a_removed_document_keeps_its_chunks_and_is_found_by_nothing(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    assert found(pipeline, "screw wall") == {"install.md", "pump.md"}
    repository.write({"install.md": None})
    pipeline.collect(source)
    chunks = "select count(*) from chunks c join documents d on d.id = c.document_id where d.key = 'install.md'"
    assert pipeline.rows(chunks) == [(1,)]
    assert pipeline.rows(LINKS) == [("install.md", "pump.md"), ("pump.md", None)]
    assert found(pipeline, "screw wall") == {"pump.md"}
    pipeline.rows("delete from vectors returning 1")
    pipeline.rows("update sources set embedded_model_id = null returning 1")
    assert pipeline.collect(source).counts.embedded == 1


def test_a_removed_document_that_comes_back_changed_has_its_new_chunks_only(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"install.md": None})
    pipeline.collect(source)
    repository.write({"install.md": "# Install\n\nGlue it.\n"})
    pipeline.collect(source)
    texts = pipeline.rows("""select substr(d.text, start_offset + 1, end_offset - start_offset)
        from chunks c join documents d on d.id = c.document_id where d.key = 'install.md'""")
    assert ["Glue it." in text for (text,) in texts] == [True]
    assert pipeline.rows(LINKS) == [("pump.md", "install.md")]


def test_what_was_brought_back_stays_until_the_source_lists_it_again(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set held = 'restored' where key = 'install.md' returning 1")
    repository.write({"install.md": None})
    assert pipeline.collect(source).counts.removed == 0
    repository.write({"install.md": SMALL["install.md"]})
    assert pipeline.collect(source).counts.unchanged == 2
    assert pipeline.rows("select distinct held from documents") == [(None,)]
    repository.write({"install.md": None})
    assert pipeline.collect(source).counts.removed == 1


def test_what_no_sync_may_remove_does_not_count_for_what_is_suspicious(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set held = 'added' where key < 'd08' returning 1")
    repository.write(dict.fromkeys(list(PAGES)[:28]))  # of 22 documents that are the source's, 20
    run = pipeline.collect(source)
    assert (run.pending_removals, run.counts.removed) == (20, 0)
    assert len(live(pipeline)) == 30


def test_a_file_with_the_key_of_what_was_added_by_hand_is_skipped_with_a_warning(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    mine = "update documents set held = 'added', text = 'mine', fingerprint = 'mine' where key = 'pump.md' returning 1"
    pipeline.rows(mine)
    for _ in range(2):
        run = pipeline.collect(source)
        assert (run.state, run.counts.changed, run.counts.unchanged) == ("succeeded", 0, 2)
        assert [(warning.key, "by hand" in warning.reason) for warning in run.warnings] == [("pump.md", True)]
    assert pipeline.rows("select text from documents where key = 'pump.md'") == [("mine",)]


def test_a_listing_that_brings_withheld_documents_back_clears_the_question(
    pipeline: Pipeline, repository: Repository
) -> None:
    run = shrink(pipeline, repository, keep=1)
    pending = "select jsonb_array_length(pending_removals), pending_run_id from sources"
    assert (run.state, run.pending_removals) == ("partial", 29)
    assert pipeline.rows(pending) == [(29, run.id)]
    repository.write({key: PAGES[key] for key in list(PAGES)[:29]})
    [source] = pipeline.sources()
    again = pipeline.collect(source)
    assert (again.state, again.pending_removals, again.counts.removed) == ("succeeded", 0, 1)
    assert pipeline.rows(pending) == [(0, None)]
