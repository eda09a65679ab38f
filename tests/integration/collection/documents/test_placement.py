"""Pinned and hidden documents."""

import shutil
import uuid

import pytest

from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline, Repository
from tests.integration.collection.documents.test_restore import search_keys

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")


def test_placements_survive_collects_moves_and_removals(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({f"{name}.md": f"# {name}\n\nThe pump of {name} moves water.\n" for name in ("a", "b", "c")})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    ids = {document["key"]: document["id"] for document in client.get("/api/documents")["documents"]}
    hidden = client.patch(f"/api/documents/{ids['a.md']}", {"placement": "hidden"})
    assert (hidden["placement"], "moves water" in hidden["text"]) == ("hidden", True)
    client.patch(f"/api/documents/{ids['b.md']}", {"placement": "pinned"})
    assert search_keys(pipeline, "pump water") == {"b.md", "c.md"}

    repository.git("mv", "a.md", "moved.md")
    repository.write({"b.md": "# b\n\nThe pump of b is new.\n"})
    pipeline.collect(source)
    repository.write({"moved.md": None})
    pipeline.collect(source)
    assert client.get("/api/documents?placement=hidden")["documents"] == []
    client.post(f"/api/documents/{ids['a.md']}/restore", status=200)
    pipeline.drain()
    assert search_keys(pipeline, "pump water") == {"b.md", "c.md"}
    lists = {name: client.get(f"/api/documents?placement={name}")["documents"] for name in ("pinned", "hidden")}
    assert {name: [document["key"] for document in found] for name, found in lists.items()} == {
        "pinned": ["b.md"],
        "hidden": ["moved.md"],
    }
    client.patch(f"/api/documents/{ids['a.md']}", {"placement": None})
    assert search_keys(pipeline, "pump water") == {"moved.md", "b.md", "c.md"}


def test_changes_of_placements_are_in_the_audit_log(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({"a.md": "# A\n\nText.\n"})
    pipeline.collect(pipeline.add_source(repository.url))
    [document] = client.get("/api/documents")["documents"]
    for placement in (None, "pinned", "pinned", "hidden", None, "pinned", None):
        client.patch(f"/api/documents/{document['id']}", {"placement": placement})
    entries = client.get("/api/audit-log?target=" + document["id"])["entries"]
    assert [entry["action"].partition(".")[2] for entry in reversed(entries)] == [
        *("pinned", "hidden", "shown", "pinned", "unpinned")
    ]
    assert {entry["target_name"] for entry in entries} == {"a.md"}
    client.patch(f"/api/documents/{document['id']}", {"placement": "best"}, status=422)
    client.patch(f"/api/documents/{document['id']}", {}, status=422)
    client.patch(f"/api/documents/{uuid.uuid4()}", {"placement": "pinned"}, status=404)
