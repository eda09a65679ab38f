"""What reaches a source is changed: which files of its repository are collected, and the token that opens it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.git_server import serve
from tests.harness.pipeline import Pipeline, Repository, opened

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES: dict[str, str | bytes | None] = {
    "docs/a.md": "# A\n\nalpha\n",
    "docs/old/b.md": "# B\n\nbeta\n",
    "notes.txt": "gamma\n",
}


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with opened(database, secret_key=Fernet.generate_key().decode(), fetch_private=True) as made:
        yield made


@pytest.fixture
def ask(pipeline: Pipeline) -> CollectionClient:
    return CollectionClient(pipeline.database, pipeline.settings)


def live(pipeline: Pipeline) -> list[str]:
    return [key for (key,) in pipeline.rows("select key from documents where deleted_at is null order by key")]


def test_other_files_are_collected_from_then_on_and_what_stays_is_not_fetched_again(
    pipeline: Pipeline, ask: CollectionClient, repository: Repository
) -> None:
    repository.write(PAGES)
    source = pipeline.add_source(repository.url)
    path = f"/api/sources/{source.id}"
    pipeline.collect(source)
    changed = ask.patch(path, {"config": {"url": repository.url, "include": ["**"], "exclude": ["**/old/**"]}})
    assert (changed["config"]["exclude"], changed["name"]) == (["**/old/**"], "docs")
    counts = pipeline.collect(source).counts
    assert (counts.added, counts.removed, counts.unchanged) == (1, 1, 1)
    assert live(pipeline) == ["docs/a.md", "notes.txt"]


def test_what_cannot_be_reached_in_the_new_way_is_refused_and_stays_as_it_was(
    pipeline: Pipeline, ask: CollectionClient, repository: Repository, tmp_path: Path
) -> None:
    repository.write(PAGES)
    other = Repository(tmp_path / "other")
    other.write(PAGES)
    source = pipeline.add_source(repository.url)
    path = f"/api/sources/{source.id}"
    before = ask.get(path)["config"]
    for config, words in (
        ({"url": repository.url, "branch": "nope"}, "nope"),
        ({"url": repository.url, "include": []}, "at least one pattern"),
        ({"url": repository.url, "colour": "red"}, "colour"),
        ({"url": other.url}, "another source"),
    ):
        assert words in ask.patch(path, {"config": config}, 422)["detail"]
    assert ask.get(path)["config"] == before
    pipeline.start(source)
    assert "is open (collect)" in ask.patch(path, {"config": {"url": repository.url}}, 409)["detail"]


def test_a_token_is_replaced_and_forgotten(pipeline: Pipeline, ask: CollectionClient, repository: Repository) -> None:
    repository.write(PAGES)
    with serve(repository.folder.parent, partial=True, token="first-secret") as server:
        new = {"kind": "git", "name": "d", "config": {"url": f"{server.url}/repository"}, "token": "first-secret"}
        path = f"/api/sources/{ask.post('/api/sources', new, 201)['id']}"
        assert pipeline.finish(ask.post(f"{path}/collect")).state == "succeeded"
        server.token = "second-secret"
        assert pipeline.finish(ask.post(f"{path}/collect")).state == "failed"
        refused = ask.patch(path, {"token": "wrong-secret"}, 422)["detail"]
        assert "token" in refused
        assert "secret" not in refused
        assert ask.patch(path, {"token": "second-secret"})["has_token"]
        assert pipeline.finish(ask.post(f"{path}/collect")).state == "succeeded"
        ask.patch(path, {"token": None}, 422)
        server.token = None
        assert not ask.patch(path, {"token": None})["has_token"]
        assert pipeline.finish(ask.post(f"{path}/collect")).state == "succeeded"


def test_source_kinds_are_listed_with_the_schema_of_their_config(ask: CollectionClient) -> None:
    [git] = ask.get("/api/source-kinds")["kinds"]
    assert (git["kind"], git["identity"], git["secret"]["title"]) == ("git", ["url"], "Access token")
    assert git["config_schema"]["required"] == ["url"]
