"""Migrating counts the words of stored chunks again, as collecting counts them now."""

import shutil
from pathlib import Path

import pytest

from headwater.database.migrations import downgrade, upgrade
from headwater.words.backfill import count_missing_words
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it")

POLISH = """---
description: Nazwy katalogów
---

# Pliki

Polecenie wyświetla **nazwy plików** i katalogów, a także ich rozmiary, jeśli użytkownik o to poprosi.
"""
CROATIAN = (
    "# Pomoć\n\nAko imate poteškoća s čitanjem teksta na zaslonu, možete promijeniti veličinu slova u postavkama.\n"
)
ENGLISH = "# Tide\n\nThe water rises to the mark at the harbour twice a day, and the children look for shells.\n"

STORED = """
    select d.key, d.language, d.inherits_language, c.words, c.word_count
    from chunks c join documents d on d.id = c.document_id order by d.key
"""


def test_upgrade_counts_words_of_languages_with_new_stemmers_as_collecting_does(
    database: FreshDatabase, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"pl.md": POLISH, "hr.md": CROATIAN, "en.md": ENGLISH})
    with running_pipeline(database) as pipeline:
        pipeline.collect(pipeline.add_source(repository.url))
        collected = pipeline.rows(STORED)
        assert [row[:3] for row in collected] == [
            ("en.md", "en", False),
            ("hr.md", "hr", False),
            ("pl.md", "pl", False),
        ]
        pipeline.rows("update documents set language = 'en', inherits_language = true where key = 'hr.md' returning id")
        downgrade(database.admin_url, "0047")
        upgrade(database.admin_url, database.url)
        assert pipeline.rows(
            "select d.key from chunks c join documents d on d.id = c.document_id where c.words is null order by 1"
        ) == [("hr.md",), ("pl.md",)]
        assert count_missing_words(database.admin_url) == 2
        assert pipeline.rows(STORED) == collected
