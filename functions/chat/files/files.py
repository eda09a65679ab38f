"""Read the files of one conversation: from its file store, and what was read of attached files."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import NotFound, UnprocessableContent
from headwater.file_store import versions
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place, check_path
from headwater.file_store.versions import NewVersion, Version


class Listed(msgspec.Struct, frozen=True):
    """A file. `version` is None if its text alone is stored; `is_attached`: a person has attached this version."""

    path: str
    bytes: int
    version: Version | None
    is_attached: bool


class ConversationFiles:
    """The files of one conversation."""

    def __init__(self, database: Database, settings: Settings, place: Place) -> None:
        self._database = database
        self._contents = Contents(database, settings)
        self._place = place

    def list_files(self) -> list[Listed]:
        """Return the files, by path."""
        with self._transaction() as tx:
            stored = versions.list_files(tx, self._place)
            attached = tx.execute(_ATTACHED, self._values()).all()
        ids = {row.version_id for row in attached}
        found = {each.path: Listed(each.path, each.bytes, each, each.id in ids) for each in stored}
        for row in attached:
            if row.version_id is None:
                found.setdefault(row.name, Listed(row.name, row.bytes, None, is_attached=True))
        return [found[path] for path in sorted(found)]

    def read_text(self, path: str, version: int | None = None) -> str:
        """Return a file's text: that of a PDF or an Office file as Markdown, if a person has attached it.

        Raises NotFound, and UnprocessableContent for a file that is no text.
        """
        with self._transaction() as tx:
            try:
                found = versions.find(tx, self._place, path, version)
            except NotFound:
                alone: str | None = tx.execute(_TEXT_ONLY, self._values(name=path)).scalar_one_or_none()
                if version is None and alone is not None:
                    return alone
                raise
            read: str | None = tx.execute(_TEXT, self._values(version_id=found.id)).scalar_one_or_none()
        if read is not None:
            return read
        text = as_text(self._content(found))
        if text is None:
            raise UnprocessableContent(f"{path} is not a text file: it has {found.bytes:,} bytes of binary data.")
        return text

    def read(self, path: str, version: int | None = None) -> tuple[Version, bytes]:
        """Return a version of a file with its content. Raises NotFound."""
        with self._transaction() as tx:
            found = versions.find(tx, self._place, path, version)
        return found, self._content(found)

    def read_all(self, chosen: Sequence[Version]) -> dict[str, bytes]:
        """Return the contents of versions by path. Raises NotFound."""
        contents = self._contents.get_all(self._place, [version.sha256 or "" for version in chosen])
        return {version.path: content for version, content in zip(chosen, contents, strict=True)}

    def stage_all(self, changes: Mapping[str, bytes | None]) -> list[NewVersion]:
        """Store contents by path, None for a file to delete. Returns the versions to add. Raises as `stage` does."""
        written = {check_path(path): content for path, content in changes.items() if content is not None}
        hashes = self._contents.put(self._place, list(written.values()))
        deleted = [NewVersion(path, None) for path, content in changes.items() if content is None]
        return deleted + [
            NewVersion(path, sha256, len(written[path])) for path, sha256 in zip(written, hashes, strict=True)
        ]

    def stage(self, path: str, content: bytes, based_on: int | None = None) -> NewVersion:
        """Store a content. Returns the version to add. Raises UnprocessableContent for a path, PayloadTooLarge."""
        check_path(path)
        [sha256] = self._contents.put(self._place, [content])
        return NewVersion(path, sha256, len(content), based_on)

    def _content(self, version: Version) -> bytes:
        assert version.sha256
        return self._contents.get(self._place, version.sha256)

    def _transaction(self) -> Any:
        return self._database.transaction(self._place.workspace_id)

    def _values(self, **more: Any) -> dict[str, Any]:
        return {"workspace_id": self._place.workspace_id, "conversation_id": self._place.conversation_id, **more}


def as_text(content: bytes) -> str | None:
    """Return a content as text, None if it is none. UTF-8, or UTF-16 with a byte order mark."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


_HERE = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_ATTACHED = sa.text(f"select name, bytes, version_id from conversation_files where {_HERE}")

_TEXT = sa.text(f"select text from conversation_files where {_HERE} and version_id = :version_id")

_TEXT_ONLY = sa.text(f"select text from conversation_files where {_HERE} and name = :name and version_id is null")
