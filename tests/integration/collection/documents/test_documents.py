"""Documents as the API returns them: pages of a list, and links with their places and targets."""

import shutil
from typing import Any

import pytest

from functions.collection.documents.documents import DocumentQuery, read_documents
from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

TEXT = "# 🦠\n\nSee [the pump](b.md#power), [[c]] and <https://example.org>.\n"


def read_by_key(client: CollectionClient, key: str) -> Any:
    [summary] = [document for document in client.get("/api/documents")["documents"] if document["key"] == key]
    return client.get(f"/api/documents/{summary['id']}")


def test_links_have_their_place_and_target(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": TEXT, "b.md": "# B\n\nNo links.\n"})
    pipeline.collect(source)
    pump = read_by_key(client, "b.md")
    assert pump["links"] == []
    document = read_by_key(client, "a.md")
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
    assert {link["document_id"] for link in read_by_key(client, "a.md")["links"]} == {None}


def test_document_pages_include_equal_keys_of_several_sources(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"README.md": "# A\n", "docs/b.md": "# B\n", "docs/c.md": "# C\n"})
    for _ in range(3):
        pipeline.collect(pipeline.add_source(repository.url))
    listed, after = [], ""
    while True:
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            page = read_documents(tx, pipeline.workspace_id, DocumentQuery(after=after, limit=2))
        listed += [(document.key, document.id) for document in page.documents]
        if page.next is None:
            break
        after = page.next
    assert len(listed) == len(set(listed)) == 9
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        rest = read_documents(tx, pipeline.workspace_id, DocumentQuery(after="README.md"))
    assert {document.key for document in rest.documents} == {key for key, _ in listed if key > "README.md"}
