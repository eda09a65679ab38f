"""The command `migrate`: which embedding model an installation gets, and words that are counted again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from functions.collection.pipeline.index_words import SCANNED_CHUNKS
from tests.harness.databases import FreshDatabase
from tests.harness.job_server import job_program
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository, running_pipeline

ADD_CHUNKS_WITHOUT_WORDS = """
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count)
    select workspace_id, document_id, n, n, n + 1, '{}', input_hash, 1
    from chunks, generate_series(1, :n) n returning 1
"""


def migrate(database: FreshDatabase, **environment: str) -> str:
    """Run the command; returns its last line."""
    inherited = {name: value for name, value in os.environ.items() if name != "EMBEDDING_MODEL"}
    urls = {"DATABASE_URL": database.url, "DATABASE_ADMIN_URL": database.admin_url}
    done = subprocess.run(
        [job_program(), "migrate"],
        env={**inherited, **urls, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_new_installation_gets_the_multilingual_model_and_others_keep_theirs(database: FreshDatabase) -> None:
    assert migrate(database).endswith("embedding model multilingual-e5-small-int8")
    assert migrate(database, EMBEDDING_MODEL="constant").endswith("embedding model constant")
    assert migrate(database).endswith("embedding model constant")


@pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it")
def test_words_are_counted_and_indexed_so_that_search_need_not_scan_them(
    database: FreshDatabase, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# Tide\n\nThe water rises to the mark at the harbour twice a day.\n"})
    with running_pipeline(database) as pipeline:
        pipeline.collect(pipeline.add_source(repository.url))
        pipeline.rows(ADD_CHUNKS_WITHOUT_WORDS, n=SCANNED_CHUNKS)
        migrate(database, EMBEDDING_MODEL="constant")
        assert pipeline.rows("select count(*) from chunks where words is null") == [(0,)]
        assert pipeline.rows("select chunks from word_segments") == [(SCANNED_CHUNKS + 1,)]
        assert pipeline.rows("select count(*) from documents where word_segment_id is null") == [(0,)]
