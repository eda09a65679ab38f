"""A document as it is read: its links with their places in the text and the documents they lead to."""

import shutil
from typing import Any

import pytest

from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

TEXT = "# 🦠\n\nSee [the pump](b.md#power), [[c]] and <https://example.org>.\n"


def read_by_key(app: CollectionClient, key: str) -> Any:
    [found] = [each for each in app.get("/api/documents")["documents"] if each["key"] == key]
    return app.get(f"/api/documents/{found['id']}")


def test_links_have_their_place_and_the_document_they_lead_to(pipeline: Pipeline, repository: Repository) -> None:
    app = CollectionClient(pipeline.database, pipeline.settings)
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": TEXT, "b.md": "# B\n\nNo links.\n"})
    pipeline.collect(source)
    pump = read_by_key(app, "b.md")
    assert pump["links"] == []
    document = read_by_key(app, "a.md")
    markup = [document["text"][link["start"] : link["end"]] for link in document["links"]]
    assert markup == ["[the pump](b.md#power)", "[[c]]", "<https://example.org>"]
    targets = [(link["kind"], link["target"], link["document_id"]) for link in document["links"]]
    assert targets == [
        ("link", "b.md#power", pump["id"]),
        ("wikilink", "c", None),
        ("link", "https://example.org", None),
    ]
    repository.write({"b.md": None})
    pipeline.collect(source)
    assert {link["document_id"] for link in read_by_key(app, "a.md")["links"]} == {None}
