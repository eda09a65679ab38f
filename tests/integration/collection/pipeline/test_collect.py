"""Collecting a Git repository: added, changed, removed and failed documents, links and embeddings."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.chat.retrieval.search import Search
from functions.embedding.embed import Embed, Slice, Vectors
from headwater.embedding.base import input_hash
from headwater.embedding.constant import ConstantEmbedder
from headwater.queue.tickets import QUEUES
from headwater.words.analysis import count_words, sparse_vector
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.support import WORKSPACE

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

SMALL = {
    "README.md": "# Pump\n\nThe pump moves water. See [install](docs/install.md) and [[faq]].\n",
    "docs/install.md": "---\ntitle: Installing\n---\n# Install\n\nScrew it to the wall.\n\n## Power\n\nPlug it in.\n",
    "docs/faq.md": "# Questions\n\nWhy is it loud? Because it pumps.\n",
    "docs/notes.txt": "not collected",
}


def test_first_collect_adds_and_embeds_every_document(pipeline: Pipeline, repository: Repository) -> None:
    commit = repository.write(SMALL)
    run = pipeline.collect(pipeline.add_source(repository.url))
    assert (run.state, run.snapshot, run.total, run.error) == ("succeeded", commit, 3, None)
    counts = run.counts
    assert (counts.listed, counts.added, counts.changed, counts.removed, counts.failed) == (3, 3, 0, 0, 0)
    assert counts.chunks == counts.embedded + counts.reused
    assert counts.embedded == pipeline.rows("select count(distinct input_hash) from chunks")[0][0]
    assert pipeline.rows("select count(*) from vectors") == [(counts.embedded,)]
    texts = pipeline.rows("""select substr(d.text, start_offset + 1, end_offset - start_offset)
        from chunks c join documents d on d.id = c.document_id where d.key = 'docs/faq.md'""")
    assert "Because it pumps." in texts[0][0]


def test_embedded_texts_are_excerpts_and_have_the_stored_hashes(pipeline: Pipeline, repository: Repository) -> None:
    rows = "".join(f"| valve-{n:03} | hall {n % 9} | {n * 7} |\n" for n in range(120))
    table = f"# Valves\n\n| Valve | Place | Proof pressure |\n|---|---|---|\n{rows}"
    pages = {
        "table.md": table,
        "note.md": '---\ndescription: On lamps.\ntags: [light]\n---\n# Ü\n\n!!! note "Mind"\n\n    See [[Lamp|it]].\n',
        "comments.md": "# A\n\n<!-- secret -->\n\n![[a.png]]\n",
        "wordless.md": "---\n\n![](a.png)<!-- x -->\n\n[a]: b.md\n",
    }
    repository.write(pages)
    gathered: list[Slice] = []

    class Recorded(Embed):
        def compute(self, gathered_slice: Slice) -> Vectors:
            gathered.append(gathered_slice)
            return super().compute(gathered_slice)

    pipeline.start(pipeline.add_source(repository.url))
    steps = 1
    while steps:
        steps = sum(
            pipeline.step(queue, lambda own: Recorded(own.embedder, own.recorder) if isinstance(own, Embed) else own)
            for queue in QUEUES
        )
    texts = [text for piece in gathered for text in piece.texts]
    hashes = [hash_ for piece in gathered for hash_ in piece.hashes]
    assert [input_hash(text) for text in texts] == hashes
    of_table = [text for text in texts if "valve-" in text]
    assert len(of_table) > 1
    assert all("| Valve | Place | Proof pressure |\n|---|---|---|\n| valve-" in text for text in of_table)
    assert 'Ü\nOn lamps. light\n# Ü\n\n"Mind"\n\nSee it.' in texts
    assert "A\n# A" in texts
    found = """select d.key, count(*) from chunks c join documents d on d.id = c.document_id
        where words <#> cast(:word as sparsevec) < 0 group by 1"""
    expected = {"proof": [("table.md", len(of_table))], "light": [("note.md", 1)], "secret": [], "png": []}
    for word, rows_with_it in expected.items():
        assert pipeline.rows(found, word=sparse_vector(count_words(word, "en"))) == rows_with_it, word
    assert pipeline.rows("select 1 from chunks join documents d on d.id = document_id where key = 'wordless.md'") == []


def test_documents_are_found_by_their_folders_and_file_names(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"notes/of-the-crew/releases/v0.10.3.md": "# News\n\nThe lamp may now be dimmed.\n"})
    pipeline.collect(pipeline.add_source(repository.url))
    search = Search(pipeline.database, lambda _: ConstantEmbedder())
    for query in ("v0.10.3", "v0.10.3.md", "notes releases", "notes of-the-crew"):
        assert [hit.overlap for hit in search(WORKSPACE, query, 1)] == [1.0], query


def test_short_documents_have_the_language_of_their_source(pipeline: Pipeline, repository: Repository) -> None:
    long = "Die Pumpe wird jede Woche von Hand geschmiert und vor dem nächsten Einsatz geprüft. " * 4
    repository.write(
        {"a.md": "Pumpen ölen.\n", "b.md": long, "c.md": long + "Ja.", "d.md": "Is this pump oiled? " * 12}
    )
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"a.md": None, "e.md": "Pumpen warten.\n"})
    pipeline.collect(source)
    languages = pipeline.rows("select key, language from documents order by key")
    assert languages == [("a.md", "de"), ("b.md", "de"), ("c.md", "de"), ("d.md", "en"), ("e.md", "de")]
    words = """select 1 from chunks c join documents d on d.id = c.document_id
        where key = 'e.md' and words <#> cast(:word as sparsevec) < 0"""
    assert pipeline.rows(words, word=sparse_vector(count_words("Pumpe", "de"))) == [(1,)]


def test_links_between_documents_are_resolved(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    pipeline.collect(pipeline.add_source(repository.url))
    assert pipeline.rows("""select l.kind, t.key from relations l join documents t on t.id = l.target_document_id
        order by 1""") == [("link", "docs/install.md"), ("wikilink", "docs/faq.md")]


def test_link_follows_its_target_when_it_is_added_and_removed(pipeline: Pipeline, repository: Repository) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": "# A\n\nSee [b](b.md).\n"})
    pipeline.collect(source)
    targets = "select t.key from relations l left join documents t on t.id = l.target_document_id"
    assert pipeline.rows(targets) == [(None,)]
    repository.write({"b.md": "# B\n\nHere.\n"})
    pipeline.collect(source)
    assert pipeline.rows(targets) == [("b.md",)]
    repository.write({"b.md": None})
    pipeline.collect(source)
    assert pipeline.rows(targets) == [(None,)]


def test_collect_of_the_same_commit_changes_nothing(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    before = pipeline.contents()
    run = pipeline.collect(source)
    assert (run.state, run.counts.unchanged, run.counts.chunks, run.counts.embedded) == ("succeeded", 3, 0, 0)
    assert pipeline.contents() == before
    kinds = pipeline.rows("select kind from steps where run_id = :r order by id", r=run.id)
    assert kinds == [("list",), ("finish",)]


def test_only_changed_files_are_fetched_and_only_new_texts_embedded(pipeline: Pipeline, repository: Repository) -> None:
    guide = "# Guide\n\n" + "Turn the valve slowly. " * 40 + "\n"
    repository.write({**SMALL, "docs/guide.md": guide})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write(
        {
            "docs/faq.md": None,
            "docs/more.md": "# More\n\nWords.\n",
            "docs/guide.md": guide + "\n## Cleaning\n\n" + "Rinse the filter well. " * 40 + "\n",
        }
    )
    run = pipeline.collect(source)
    items = pipeline.rows("select key, action from run_items where run_id = :r order by key", r=run.id)
    assert items == [("docs/faq.md", "removed"), ("docs/guide.md", "changed"), ("docs/more.md", "added")]
    assert (run.counts.unchanged, run.counts.chunks, run.counts.embedded, run.counts.reused) == (2, 3, 2, 1)
    assert pipeline.rows("select key from documents where deleted_at is not null") == [("docs/faq.md",)]


def test_changed_document_costs_the_same_in_small_and_large_sources(pipeline: Pipeline, tmp_path: Path) -> None:
    counts_per_statement = []
    for others in (3, 80):
        repository = Repository(tmp_path / str(others))
        pages = {f"{n}.md": f"# Page {n}\n\nOne of many. See [the next]({n + 1}.md).\n" for n in range(others)}
        repository.write({**SMALL, **pages})
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        repository.write({"docs/faq.md": SMALL["docs/faq.md"] + f"\nSee {others} [here](install.md).\n"})
        with _statement_costs(pipeline) as counted:
            run = pipeline.collect(source)
        assert (run.counts.changed, run.counts.unchanged, run.state) == (1, others + 2, "succeeded")
        counts_per_statement.append(counted)
    small, large = counts_per_statement
    assert small.keys() == large.keys()
    differing = {statement for statement in small if small[statement] != large[statement]}
    assert differing == {"copy listed from stdin (format binary)"}


@contextmanager
def _statement_costs(pipeline: Pipeline) -> Iterator[Counter[str]]:
    """Count executions and rows of each statement on collected data, as 1,000,000 × executions + rows."""
    counted: Counter[str] = Counter()

    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if any(table in statement for table in ("documents", "chunks", "vectors", "relations", "listed")):
            counted[statement] += 1_000_000 + max(cursor.rowcount, 0)

    sa.event.listen(pipeline.database.engine, "after_cursor_execute", count)
    yield counted
    sa.event.remove(pipeline.database.engine, "after_cursor_execute", count)


def test_document_that_returns_is_added_without_embedding(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    before = pipeline.contents()
    repository.write({"docs/faq.md": None})
    pipeline.collect(source)
    repository.write({"docs/faq.md": SMALL["docs/faq.md"]})
    run = pipeline.collect(source)
    assert (run.counts.added, run.counts.embedded) == (1, 0)
    assert pipeline.contents() == before


def test_moved_file_reuses_its_vectors(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"a.md": "# Same\n\nSame text.\n", "keep.md": "# K\n\nk\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"a.md": None, "b.md": "# Same\n\nSame text.\n"})
    run = pipeline.collect(source)
    assert (run.counts.moved, run.counts.removed, run.counts.embedded, run.counts.reused) == (1, 0, 0, 1)


def test_removal_of_most_documents_is_withheld(pipeline: Pipeline, repository: Repository) -> None:
    names = [f"d{n:02}.md" for n in range(30)]
    repository.write({name: f"# {name}\n\ntext of {name}\n" for name in names})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({**dict.fromkeys(names[1:]), "new.md": "# New\n\nnew\n"})
    run = pipeline.collect(source)
    assert (run.state, run.pending_removals, run.counts.removed, run.counts.added) == ("partial", 29, 0, 1)
    assert pipeline.rows("select count(*) from documents where deleted_at is null") == [(31,)]
    repository.git("revert", "--no-edit", "HEAD")
    assert pipeline.collect(source).pending_removals == 0
    assert pipeline.rows("select pending_removals::text from sources") == [("[]",)]


def test_invalid_files_fail_or_warn_and_the_rest_is_collected(pipeline: Pipeline, repository: Repository) -> None:
    files: dict[str, str | bytes | None] = {
        "good.md": "# Good\n\nText.\n",
        "huge.md": b"x" * 60_000_000,
        "binary.md": bytes(range(256)) * 20,
        "nul.md": "# Title\n\ntext\0text\n",
        "latin.md": "# Caf\u00e9\n\ncaf\u00e9\n".encode("latin-1"),
        "broken.md": "---\ntitle: [unclosed\n---\n# Still here\n\nBody.\n",
        "line.md": "# Long\n\n" + "word " * 100_000 + "\n",
        "unbroken.md": "# Long\n\n" + "w" * 500_000 + "\n",
        "empty.md": b"",
        "Case.md": "# One\n\none\n",
        "case.md": "# Two\n\ntwo\n",
        "caf\u00e9.md": "# NFC\n\nnfc\n",
        "cafe\u0301.md": "# NFD\n\nnfd\n",
    }
    repository.write(files)
    source = pipeline.add_source(repository.url)
    run = pipeline.collect(source)
    failures = {failure.key: failure.reason for failure in run.failures}
    warnings = {warning.key: warning.reason for warning in run.warnings}
    assert run.state == "partial"
    assert set(failures) == {"huge.md", "binary.md", "nul.md"}
    assert "limit" in failures["huge.md"]
    assert set(warnings) >= {"latin.md", "broken.md", "empty.md", "Case.md", "case.md", "caf\u00e9.md", "cafe\u0301.md"}
    assert run.counts.added + run.counts.failed == run.total == len(files)
    assert pipeline.rows("select max(token_count) <= 254 from chunks") == [(True,)]
    again = pipeline.collect(source)
    assert (again.state, again.counts.unchanged, again.counts.still_failing) == ("partial", len(files) - 3, 3)


def test_batch_over_the_size_limit_is_split_into_steps(database: FreshDatabase, repository: Repository) -> None:
    large = {f"{name}.md": f"# {name}\n\n" + f"A line of {name}.\n" * 30 for name in "abc"}
    repository.write({**large, "small.md": "# Small\n\nShort.\n", "binary.md": b"\x00\x01" * 300})
    with running_pipeline(database, fetch_batch=8, fetch_batch_bytes=1_000) as pipeline:
        run = pipeline.collect(pipeline.add_source(repository.url))
        assert (run.state, run.counts.added, [failure.key for failure in run.failures]) == ("partial", 4, ["binary.md"])
        assert pipeline.rows("select state, count(*) from run_items group by 1 order by 1") == [
            ("done", 4),
            ("failed", 1),
        ]
        assert pipeline.rows("select count(*), max(attempt) from steps where kind = 'fetch'") == [(6, 0)]
        contents = pipeline.contents()
        pipeline.rows("delete from sources returning id")
        pipeline.rows("delete from vectors returning input_hash")
        other = Pipeline(database, fetch_batch=8)
        with other.closing:
            other.collect(other.add_source(repository.url))
            assert other.rows("select count(*) from steps where kind = 'fetch'") == [(1,)]
            assert other.contents() == contents


def test_empty_repository_succeeds_without_documents(pipeline: Pipeline, repository: Repository) -> None:
    run = pipeline.collect(pipeline.add_source(repository.url))
    assert (run.state, run.total, run.counts.listed, run.counts.chunks) == ("succeeded", 0, 0, 0)


@pytest.mark.parametrize(
    ("config", "word"), [({"branch": "nope"}, "nope"), ({"path": "nope/here"}, "nope/here")], ids=["branch", "path"]
)
def test_failed_listing_fails_the_run_with_the_reason(
    pipeline: Pipeline, repository: Repository, config: dict[str, str], word: str
) -> None:
    repository.write(SMALL)
    run = pipeline.collect(pipeline.add_source(repository.url, **config))
    assert run.state == "failed"
    assert run.error is not None
    assert word in run.error["detail"]


def test_sources_with_equal_texts_both_count_every_chunk(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    runs = [pipeline.start(pipeline.add_source(repository.url)) for _ in range(2)]
    pipeline.drain(queues=["collection"])  # both runs plan to embed all texts
    pipeline.drain()
    for run in map(pipeline.read, runs):
        counts = run.counts
        assert (run.state, counts.embedded + counts.reused) == ("succeeded", counts.chunks)


def test_run_continues_after_an_upgrade_of_the_parser(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    run_id = pipeline.start(pipeline.add_source(repository.url))
    pipeline.step("collection")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(sa.text("update run_items set fingerprint = split_part(fingerprint, '.', 1) || '.0.0'"))
    pipeline.drain()
    assert (pipeline.read(run_id).state, pipeline.read(run_id).counts.added) == ("succeeded", 3)


def test_run_without_an_embedding_model_names_the_command(
    empty_database: FreshDatabase, repository: Repository
) -> None:
    pipeline = Pipeline(empty_database)
    run = pipeline.collect(pipeline.add_source(repository.url))
    assert (run.state, "migrate" in str(run.error)) == ("failed", True)
    pipeline.database.close()
