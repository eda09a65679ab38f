"""Databases of different locales answer alike: a laptop's (builtin C.UTF-8) and a hosted one's, such as en_US.UTF-8."""

# ruff: noqa: RUF001 - texts in several languages

import json
import shutil
import struct
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.collection.pipeline.index_words import IndexWords
from headwater.queue.ledger import Step
from scripts.local.postgres import Cluster
from tests.harness.chat_app import second_instance
from tests.harness.databases import FreshDatabase, cluster_folder, describe, running_server, upgraded
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.support import WORKSPACE

FILES = {
    "Handbuch/Überblick.md": """---
tags: [Öffentlich, Straße]
---
# Überblick über die Häuser

Die Häuser in der Hauptstraße sind „sehr alt“\u00a0– und schön. Weitere Angaben zur Größe stehen in [[änderungen]].
""",
    "Handbuch/Änderungen.md": "# Änderungen\n\nDie Größe der Häuser: STRASSE, Straße, straße und GRÖSSE.\n",
    "handbuch/zebra.md": "# zebra\n\nDas Zebra läuft über den Zebrastreifen und durch die Straße.\n",
    "İstanbul.md": "# İstanbul\n\nIstanbul’un ılık suları: ILIK, ılık, İZMİR ve izmir şehirlerinde yaşayan insanlar.\n",
    "σίσυφος.md": "# ΣΊΣΥΦΟΣ\n\nΟ Σίσυφος έσπρωχνε τον βράχο προς την κορυφή του βουνού κάθε μέρα.\n",
    "中文.md": "# 安装\n\n要安装软件，请先下载安装包，然后按照说明配置数据库的连接。\n",
    "Code_names.md": "# std::vector\n\nSee `MessageDigestFunction`: it\u2019s snake_case, PPR-9087, /to/v0.10.3.\n",
    "code-names.md": "# Names\n\nThe co-operation of naïve cafés: coöperation, NAÏVE café, ﬁles and Ⅳ.\n",
}

QUERIES = (
    "haus",
    "HÄUSER größe",
    "strasse",
    "STRASSE Straße",
    "zebra",
    "ılık izmir",
    "İZMİR",
    "σισυφος βράχο",
    "安装软件",
    "std::vector messagedigestfunction",
    "it's snake_case PPR-9087",
    "naive cafe files iv",
)

FILTERS = ("tag:öffentlich", "tag:STRASSE", "path:Handbuch/*", "path:*names*", "language:de")


@pytest.fixture
def hosted(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Iterator[FreshDatabase]:
    """A migrated database whose locale is en_US.UTF-8, or PG_UNICODE_FAST where that can't be compiled.

    Text is sorted and folded by the rules of a language, or by all of Unicode's. Both differ from C.UTF-8.
    """
    options = "locale_provider builtin builtin_locale 'PG_UNICODE_FAST' locale 'C'"
    with cluster_folder() as folder:
        locales = folder.with_name("locales")
        if compile_locale(locales):
            monkeypatch.setenv("LOCPATH", str(locales))
            options = "locale_provider libc locale 'en_US.UTF-8'"
        cluster = Cluster(folder, free_port(), durable=False)
        with running_server(cluster):
            cluster.execute(f"create database hosted template template0 encoding utf8 {options}")
            yield upgraded(describe(cluster, "hosted"))


def compile_locale(folder: Path) -> bool:
    """Compile en_US.UTF-8 from the C library's sources; returns False where they are missing."""
    folder.mkdir()
    if shutil.which("localedef") is None:
        return False
    command = ["localedef", "--inputfile=en_US", "--charmap=UTF-8", str(folder / "en_US.UTF-8")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def index_words(pipeline: Pipeline) -> None:
    """Index the documents by word, as the step does in a large workspace."""
    step = Step(0, uuid.UUID(int=0), WORKSPACE, "collection", "index_words", "0", {}, None, 1, 0, 0)
    with pipeline.database.transaction(WORKSPACE) as tx:
        IndexWords().apply(tx, step, IndexWords().gather(tx, step))


def postings(pipeline: Pipeline) -> list[Any]:
    """Return each word with its postings: document and ordinal of the chunk, count, length."""
    chunks = pipeline.rows("select c.id, d.key, c.ordinal from chunks c join documents d on d.id = c.document_id")
    names = {chunk: (key, ordinal) for chunk, key, ordinal in chunks}
    rows = pipeline.rows("""select p.word, s.first_chunk_id, p.postings
        from word_postings p join word_segments s on s.id = p.segment_id order by p.word""")
    return [
        (
            word,
            sorted((names[first + chunk], n, length) for chunk, n, length in struct.iter_unpack(">ihh", bytes(each))),
        )
        for word, first, each in rows
    ]


def answers(database: FreshDatabase, repository: Repository) -> dict[str, Any]:
    """Collect the files; return what is stored, and what each query and filter finds, scanned and indexed."""
    found: dict[str, Any] = {}
    with running_pipeline(database) as pipeline:
        assert pipeline.collect(pipeline.add_source(repository.url)).state == "succeeded"
        stored = pipeline.contents()
        found["stored"] = [sorted(map(repr, rows)) for rows in stored]
        found["tags"] = {
            key: (set(json.loads(tags)), language)
            for key, tags, language in pipeline.rows("select key, to_json(tags)::text, language from documents")
        }
        with second_instance(database) as chat:
            for state in ("scanned", "indexed"):
                for query in QUERIES:
                    hits = chat.search(q=query, k=5)
                    found[f"{query}, {state}"] = [(hit["key"], hit["text"], hit["score"]) for hit in hits]
                for written in FILTERS:
                    found[f"{written}, {state}"] = {hit["key"] for hit in chat.search(q="Straße", filter=written)}
                index_words(pipeline)
        found["postings"] = postings(pipeline)
    return found


def rules(database: FreshDatabase) -> list[Any]:
    """Return how a database sorts and folds."""
    with running_pipeline(database) as pipeline:
        return pipeline.rows("select 'B' < 'a', upper('ß')")


def test_databases_of_other_locales_store_and_find_the_same(
    database: FreshDatabase, hosted: FreshDatabase, repository: Repository
) -> None:
    assert rules(database) != rules(hosted)
    repository.write(FILES)
    here, there = answers(database, repository), answers(hosted, repository)
    assert here["postings"]
    assert here["haus, scanned"][0][0].startswith("Handbuch/")
    assert here["tag:öffentlich, scanned"] == {"Handbuch/Überblick.md"}
    assert there == here
