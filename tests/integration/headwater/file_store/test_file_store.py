"""File stores on Postgres and a blob store: versions, quotas, keys, workspaces, deletion."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import Conflict, NotFound, PayloadTooLarge, UnprocessableContent
from headwater.file_store import versions
from headwater.file_store.contents import Contents, delete_unused
from headwater.file_store.places import Place, Quota
from headwater.file_store.versions import NewVersion, Version
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_workspace, settings_for

PLACE = Place(WORKSPACE, "c1")


class Store:
    """The file store of a conversation."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.contents = Contents(database, settings)
        self.quota = Quota.of(settings)

    def add_conversation(self, place: Place) -> None:
        with self.database.transaction(place.workspace_id) as tx:
            values = {"w": place.workspace_id, "id": place.conversation_id}
            tx.execute(sa.text("insert into conversations (workspace_id, id, title) values (:w, :id, 't')"), values)

    def write(self, path: str, content: bytes, *, place: Place = PLACE, key: str | None = None) -> list[Version]:
        [sha256] = self.contents.put(place, [content])
        return self.add(NewVersion(path, sha256, len(content)), place=place, key=key)

    def add(self, *new: NewVersion, place: Place = PLACE, key: str | None = None) -> list[Version]:
        with self.database.transaction(place.workspace_id) as tx:
            return versions.add(tx, place, new, self.quota, key=key)

    def read(self, path: str, version: int | None = None, place: Place = PLACE) -> bytes:
        with self.database.transaction(place.workspace_id) as tx:
            found = versions.find(tx, place, path, version)
        assert found.sha256
        return self.contents.get(place, found.sha256)

    def files(self, place: Place = PLACE) -> dict[str, int]:
        with self.database.transaction(place.workspace_id) as tx:
            return {version.path: version.version for version in versions.list_files(tx, place)}

    def blobs(self) -> int:
        return len(self.contents.blobs.sizes("conversations"))

    def execute(self, statement: str, place: Place = PLACE) -> None:
        with self.database.transaction(place.workspace_id) as tx:
            tx.execute(sa.text(statement))


@pytest.fixture
def store(database: FreshDatabase, tmp_path: Path) -> Iterator[Store]:
    settings = settings_for(
        database, blob_url=tmp_path.as_uri(), max_file_store_bytes=100, max_workspace_file_bytes=150
    )
    with connected(database.url, 2) as db:
        add_workspace(db, WORKSPACE)
        add_workspace(db, OTHER_WORKSPACE)
        made = Store(db, settings)
        made.add_conversation(PLACE)
        yield made


def test_versions_are_kept_and_equal_contents_are_stored_once(store: Store) -> None:
    [first] = store.write("src/a.txt", b"one")
    [second] = store.write("src/a.txt", b"two")
    assert store.write("src/a.txt", b"two") == []
    store.write("b.txt", b"one")
    assert (first.version, second.version) == (1, 2)
    assert (store.read("src/a.txt"), store.read("src/a.txt", 1), store.read("b.txt")) == (b"two", b"one", b"one")
    assert store.files() == {"b.txt": 1, "src/a.txt": 2}
    assert store.blobs() == 2


def test_deleted_file_keeps_its_versions(store: Store) -> None:
    store.write("a.txt", b"one")
    store.add(NewVersion("a.txt", None))
    assert store.add(NewVersion("a.txt", None)) == []
    assert store.files() == {}
    with pytest.raises(NotFound):
        store.read("a.txt")
    assert store.read("a.txt", 1) == b"one"
    [third] = store.write("a.txt", b"one")
    assert third.version == 3


def test_write_with_a_used_key_is_not_done_again(store: Store) -> None:
    first = store.write("a.txt", b"one", key="call-1")
    store.write("a.txt", b"two", key="call-2")
    assert store.write("a.txt", b"one", key="call-1") == first
    assert store.files() == {"a.txt": 2}


def test_change_of_a_file_that_was_changed_meanwhile_is_refused(store: Store) -> None:
    [first] = store.write("a.txt", b"one")
    store.write("a.txt", b"two")
    [sha256] = store.contents.put(PLACE, [b"three"])
    with pytest.raises(Conflict, match="has changed since it was read"):
        store.add(NewVersion("a.txt", sha256, 5, based_on=first.version))
    assert store.add(NewVersion("a.txt", sha256, 5, based_on=2))[0].version == 3
    with pytest.raises(Conflict):
        store.add(NewVersion("a.txt", sha256, 5, based_on=0))


def test_a_file_is_no_folder(store: Store) -> None:
    store.write("a", b"one")
    with pytest.raises(UnprocessableContent, match="below another file"):
        store.write("a/b", b"two")
    [sha256] = store.contents.put(PLACE, [b"two"])
    store.add(NewVersion("a", None), NewVersion("a/b", sha256, 3))
    assert store.files() == {"a/b": 1}


def test_quotas_count_each_content_in_use_once(store: Store) -> None:
    other = Place(WORKSPACE, "c2")
    store.add_conversation(other)
    store.write("a.txt", b"a" * 60)
    store.write("b.txt", b"a" * 60)
    with pytest.raises(PayloadTooLarge, match="MAX_FILE_STORE_BYTES"):
        store.contents.put(PLACE, [b"b" * 60])
    store.write("c.txt", b"b" * 60, place=other)
    with pytest.raises(PayloadTooLarge, match="MAX_WORKSPACE_FILE_BYTES"):
        store.contents.put(other, [b"c" * 40])
    with store.database.transaction(WORKSPACE) as tx:
        assert versions.remove(tx, other, "c.txt") == 1
    store.contents.put(other, [b"c" * 40])


def test_quota_is_checked_again_when_versions_are_added(store: Store) -> None:
    staged = [store.contents.put(PLACE, [letter * 60])[0] for letter in (b"a", b"b")]
    store.add(NewVersion("a.txt", staged[0], 60))
    with pytest.raises(PayloadTooLarge):
        store.add(NewVersion("b.txt", staged[1], 60))


def test_numbers_of_files_and_versions_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MAX_FILES", 2)
    monkeypatch.setattr(versions, "MAX_VERSIONS", 3)
    for path in ("a", "b"):
        store.write(path, b"one")
    with pytest.raises(Conflict, match="files"):
        store.write("c", b"one")
    store.write("a", b"two")
    with pytest.raises(Conflict, match="versions"):
        store.write("a", b"three")


def test_deleted_conversation_loses_its_files_and_the_tick_its_blobs(store: Store) -> None:
    other = Place(OTHER_WORKSPACE, "c1")
    store.add_conversation(other)
    for place in (PLACE, other):
        store.write("a.txt", b"one", place=place)
    store.contents.put(PLACE, [b"never added"])
    assert store.blobs() == 3
    store.execute("delete from conversations")
    assert delete_unused(store.database, store.settings) == 0, "what was put an hour ago may still be added"
    store.execute("update file_contents set touched_at = now() - interval '2 hours'")
    assert delete_unused(store.database, store.settings) == 2
    assert store.blobs() == 1
    assert store.read("a.txt", place=other) == b"one"
    with pytest.raises(NotFound):
        store.write("a.txt", b"one")


def test_tick_deletes_no_blob_that_is_in_use_or_was_put_again(store: Store) -> None:
    store.write("a.txt", b"one")
    store.contents.put(PLACE, [b"two"])
    store.execute("update file_contents set touched_at = now() - interval '2 hours'")
    [sha256] = store.contents.put(PLACE, [b"two"])
    assert delete_unused(store.database, store.settings) == 0
    store.add(NewVersion("b.txt", sha256, 3))
    assert store.read("b.txt") == b"two"


def test_other_conversations_and_workspaces_see_no_file(store: Store) -> None:
    for place in (Place(WORKSPACE, "c2"), Place(OTHER_WORKSPACE, "c1")):
        store.add_conversation(place)
    store.write("a.txt", b"one")
    assert store.files(Place(WORKSPACE, "c2")) == store.files(Place(OTHER_WORKSPACE, "c1")) == {}
    with store.database.transaction(WORKSPACE) as tx, pytest.raises(NotFound):
        versions.find_place(tx, Caller(WORKSPACE, "eve", "owner"), "c1")
    with pytest.raises(NotFound):
        store.contents.get(Place(uuid.UUID(str(OTHER_WORKSPACE)), "c1"), "00" * 32)
