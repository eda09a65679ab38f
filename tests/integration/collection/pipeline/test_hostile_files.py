"""Sources with files that take too long to parse, or have very many chunks: neither holds up others, nor searches."""

from pathlib import Path

from functions.collection.pipeline.index_words import SCANNED_MEANWHILE
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Repository, running_pipeline

SLOW = b"x " * 480_000
"""About a second of processor time."""

REASON = "Parsing took longer than 0.5 s and was stopped. Split the file, or exclude it from the source."


def test_slow_files_are_items_with_a_reason_and_the_others_are_stored(database: FreshDatabase, tmp_path: Path) -> None:
    pages: dict[str, str | bytes | None] = {f"docs/{n:03}.md": f"# Page {n}\n\nText {n}.\n" for n in range(190)}
    hostile = {f"docs/{n:03}-slow.md" for n in range(0, 190, 57)}
    repository = Repository(tmp_path / "repository")
    repository.write(pages | dict.fromkeys(hostile, SLOW))
    with running_pipeline(database, fetch_file_urls=True, parse_timeout_s=0.5) as pipeline:
        source = pipeline.add_source(repository.url)
        run = pipeline.collect(source)
        assert (run.state, run.counts.added, run.counts.failed) == ("partial", 190, 4)
        assert dict(pipeline.rows("select key, reason from run_items where state = 'failed'")) == dict.fromkeys(
            hostile, REASON
        )
        assert dict(pipeline.rows("select key, error from documents where error is not null")) == dict.fromkeys(
            hostile, REASON
        )
        chunked = "select count(distinct document_id) from chunks join documents d on d.id = document_id"
        assert pipeline.rows(chunked) == [(190,)]
        attempts = "select max(attempt), max(lost), count(*) from steps where kind = 'fetch'"
        assert pipeline.rows(attempts) == [(0, 0, 2)]
        again = pipeline.collect(source)
        assert (again.state, again.counts.unchanged, again.counts.still_failing) == ("partial", 190, 4)


def test_words_of_very_many_chunks_are_indexed_before_other_batches(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({f"{n}.md": f"# Page {n}\n\nText {n}.\n" for n in range(3)})
    with running_pipeline(database, fetch_file_urls=True, fetch_batch=1) as pipeline:
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        pipeline.rows(
            """insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path,
                input_hash, token_count, words, word_count)
              select c.workspace_id, document_id, n, 0, 1, '{}', '', 1, words, 1
              from (select * from chunks order by id limit 1) c cross join generate_series(1, :n) n returning 1""",
            n=SCANNED_MEANWHILE,
        )
        repository.write({f"{n}.md": f"# Page {n}\n\nOther text {n}.\n" for n in (1, 2)})
        run_id = pipeline.start(source)
        pipeline.drain()
        steps = pipeline.rows("select kind, key from steps where run_id = :r order by started_at", r=run_id)
        assert steps[:4] == [("list", ""), ("fetch", "0"), ("index_words", "fetch.0"), ("fetch", "1")]
        assert [step for step in steps if step[0] == "index_words"] == [("index_words", "fetch.0")]
