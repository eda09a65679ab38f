"""Short documents get the language of their source once it is known, and their words are counted in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.chat.retrieval.search import Search
from headwater.embedding.constant import ConstantEmbedder
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

LONG = """# Wasser

Das Wasser steigt zweimal am Tag bis zur Marke am Hafen, und die Fischer warten auf die Flut, bevor sie mit ihren Booten
hinausfahren. Bei Ebbe liegen die Boote im Schlick, und die Kinder suchen nach Muscheln.
"""
ENGLISH = """# Tide

The water rises to the mark at the harbour twice a day, and the fishermen wait for the flood before they leave with
their boats and nets. At ebb they lie in the mud, and the children look for shells.
"""


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, fetch_batch=1) as pipeline:
        yield pipeline


def languages(pipeline: Pipeline) -> dict[str, tuple[str, bool]]:
    rows = pipeline.rows("select key, language, inherits_language from documents")
    return {key: (language, inherits) for key, language, inherits in rows}


def test_short_documents_of_the_first_batches_get_the_language_of_later_ones(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "repository")
    short = {"a.md": "# Häuser", "b.md": "# Bäume"}
    english = "# Tide\n\nThe water rises to the mark at the harbour twice a day, and the children look for shells."
    repository.write({**short, "c.md": LONG, "d.md": LONG.replace("Kinder", "Leute"), "e.md": english})
    source = pipeline.add_source(repository.url)
    assert pipeline.collect(source).state == "succeeded"
    german = ("de", True)
    assert languages(pipeline) == {
        **dict.fromkeys(short, german),
        **dict.fromkeys(["c.md", "d.md"], ("de", False)),
        "e.md": ("en", False),
    }
    search = Search(pipeline.database, lambda _: ConstantEmbedder())
    assert [hit.key for hit in search(pipeline.workspace_id, "Haus", 5, by="words")] == ["a.md"]
    assert pipeline.rows("select count(*) from steps where kind = 'correct_languages'") == [(1,)]

    repository.write({"c.md": LONG + "\nUnd abends leuchtet der Turm."})
    assert pipeline.collect(source).state == "succeeded"
    assert pipeline.rows("select count(*) from steps where kind = 'correct_languages'") == [(1,)], "nothing to correct"
    repository.write({"a.md": "# Türen"})
    assert pipeline.collect(source).state == "succeeded"
    assert languages(pipeline)["a.md"] == german


def test_source_of_short_documents_only_keeps_the_default(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# Häuser", "b.md": "# Bäume"})
    assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
    assert languages(pipeline) == dict.fromkeys(["a.md", "b.md"], ("en", True))


def test_source_of_several_languages_gives_short_documents_none_of_them(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# Houses", "b.md": LONG, "c.md": ENGLISH})
    assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
    assert languages(pipeline) == {"a.md": ("en", True), "b.md": ("de", False), "c.md": ("en", False)}
