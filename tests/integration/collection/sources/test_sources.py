"""Changes of a source's config and token; the list of source kinds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.git_server import serve
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES: dict[str, str | bytes | None] = {
    "docs/a.md": "# A\n\nalpha\n",
    "docs/old/b.md": "# B\n\nbeta\n",
    "notes.txt": "gamma\n",
}


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode(), fetch_private=True) as pipeline:
        yield pipeline


def test_changed_patterns_apply_to_the_next_collect(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(PAGES)
    source = pipeline.add_source(repository.url)
    path = f"/api/sources/{source.id}"
    pipeline.collect(source)
    changed = client.patch(path, {"config": {"url": repository.url, "include": ["**"], "exclude": ["**/old/**"]}})
    assert (changed["config"]["exclude"], changed["name"]) == (["**/old/**"], "docs")
    counts = pipeline.collect(source).counts
    assert (counts.added, counts.removed, counts.unchanged) == (1, 1, 1)
    assert pipeline.live_keys() == ["docs/a.md", "notes.txt"]


def test_invalid_config_is_rejected_and_the_stored_one_stays(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, tmp_path: Path
) -> None:
    repository.write(PAGES)
    other = Repository(tmp_path / "other")
    other.write(PAGES)
    source = pipeline.add_source(repository.url)
    path = f"/api/sources/{source.id}"
    before = client.get(path)["config"]
    for config, message in (
        ({"url": repository.url, "branch": "nope"}, "nope"),
        ({"url": repository.url, "include": []}, "at least one pattern"),
        ({"url": repository.url, "colour": "red"}, "colour"),
        ({"url": other.url}, "another source"),
    ):
        assert message in client.patch(path, {"config": config}, 422)["detail"]
    assert client.get(path)["config"] == before
    pipeline.start(source)
    assert "is open (collect)" in client.patch(path, {"config": {"url": repository.url}}, 409)["detail"]


def test_token_is_replaced_and_removed(pipeline: Pipeline, client: CollectionClient, repository: Repository) -> None:
    repository.write(PAGES)
    with serve(repository.folder.parent, partial=True, token="first-secret") as server:
        new = {"kind": "git", "name": "d", "config": {"url": f"{server.url}/repository"}, "token": "first-secret"}
        path = f"/api/sources/{client.post('/api/sources', new, 201)['id']}"
        assert pipeline.finish(client.post(f"{path}/collect")).state == "succeeded"
        server.token = "second-secret"
        assert pipeline.finish(client.post(f"{path}/collect")).state == "failed"
        refused = client.patch(path, {"token": "wrong-secret"}, 422)["detail"]
        assert "token" in refused
        assert "secret" not in refused
        assert client.patch(path, {"token": "second-secret"})["has_token"]
        assert pipeline.finish(client.post(f"{path}/collect")).state == "succeeded"
        client.patch(path, {"token": None}, 422)
        server.token = None
        assert not client.patch(path, {"token": None})["has_token"]
        assert pipeline.finish(client.post(f"{path}/collect")).state == "succeeded"


def test_source_kinds_are_listed_with_the_schema_of_their_config(client: CollectionClient) -> None:
    git = client.get("/api/source-kinds")["kinds"][0]
    assert (git["kind"], git["identity"], git["secret"]["title"]) == ("git", ["url"], "Access token or private key")
    assert git["config_schema"]["required"] == ["url"]
