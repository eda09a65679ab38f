"""The routes of a conversation's files: list and read them, their versions, and what has changed."""

import datetime as dt
import uuid
from typing import Annotated
from urllib.parse import quote

import flask
import msgspec
from msgspec import Meta
from sqlalchemy.engine import Connection

from functions.chat.files.diff import Diff, compare
from functions.chat.files.media_types import OTHER, media_type, safe_type
from headwater.config import Settings
from headwater.conversations import check_conversation_id
from headwater.database.transactions import Database
from headwater.errors import NotFound, UnprocessableContent
from headwater.file_store import versions
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place
from headwater.file_store.versions import Version
from headwater.web.app import Call, Route

MAX_COMPARED = 100
"""Files of one answer that are compared."""

MAX_COMPARED_BYTES = 2_000_000
"""Of each version that is compared."""

MAX_COMPARED_TOTAL = 8_000_000
"""Bytes of all versions that one request compares. Further files count as too large."""


class StoredFile(msgspec.Struct, frozen=True):
    """A version of a file. `is_deleted`: it says that the file was deleted.

    `message_id` is the answer that wrote it, null for the person.
    """

    path: str
    version: int
    bytes: int
    media_type: str
    is_deleted: bool
    message_id: uuid.UUID | None
    created_at: dt.datetime


class StoredFileList(msgspec.Struct, frozen=True):
    """The files of a conversation by path, or the versions of one, latest first."""

    files: list[StoredFile]


class FilesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path`: list the versions of this file instead, those of a deleted one too."""

    path: Annotated[str, Meta(max_length=1_000)] = ""


class ContentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, and which version; the current one by default."""

    path: Annotated[str, Meta(max_length=1_000)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class RemoveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    path: Annotated[str, Meta(max_length=1_000)]


class ChangesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The changes of the answer `message_id`, or of the file `path`: from one version to another.

    `after` is the current version by default, `before` the one before it.
    """

    message_id: uuid.UUID | None = None
    path: Annotated[str, Meta(max_length=1_000)] = ""
    before: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    after: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class FileChange(msgspec.Struct, frozen=True):
    """What has changed in a file from the version `before`, 0 for none, to the version `after`.

    `diff` is a unified diff for the `kind` `text`, of which `is_cut` says that its end is left out.
    """

    path: str
    before: int
    after: int
    kind: str
    diff: str
    added: int
    removed: int
    is_cut: bool


class FileChangeList(msgspec.Struct, frozen=True):
    """The changes by path."""

    changes: list[FileChange]


class FileRoutes:
    """Handlers of the files of the caller's conversations."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.contents = Contents(database, settings)

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = "/api/conversations/<id>/files"
        return [
            Route(
                "GET",
                path,
                self.list_stored_files,
                "List the files in a conversation's file store",
                query=FilesQuery,
                returns=StoredFileList,
            ),
            Route(
                "GET",
                f"{path}/content",
                self.get_stored_file,
                "Download a file of a conversation",
                query=ContentQuery,
                others=((200, "*/*"),),
            ),
            Route(
                "GET",
                f"{path}/changes",
                self.compare_stored_files,
                "Compare versions of a conversation's files",
                query=ChangesQuery,
                returns=FileChangeList,
            ),
            Route(
                "DELETE",
                path,
                self.remove_stored_file,
                "Remove a file with all its versions",
                query=RemoveQuery,
                status=204,
            ),
        ]

    def list_stored_files(self, call: Call) -> StoredFileList:
        """List the current files of one of the caller's conversations, or all versions of one file."""
        with self.database.transaction(call.workspace_id) as tx:
            place = versions.find_place(tx, call.caller, check_conversation_id(call.path["id"]))
            path = call.args.path
            found = versions.list_versions(tx, place, path) if path else versions.list_files(tx, place)
        if path and not found:
            raise NotFound(f"File not found: {path!r}.")
        return StoredFileList([_stored(version) for version in found])

    def get_stored_file(self, call: Call) -> flask.Response:
        """Download a version of a file. Pictures (PNG, JPEG, GIF, WebP) have their type; browsers only save others."""
        with self.database.transaction(call.workspace_id) as tx:
            place = versions.find_place(tx, call.caller, check_conversation_id(call.path["id"]))
            version = versions.find(tx, place, call.args.path, call.args.version)
        assert version.sha256
        content = self.contents.get(place, version.sha256)
        kind = safe_type(version.path, content)
        response = flask.Response(content, content_type=kind)
        name = quote(version.path.rpartition("/")[2], safe="")
        disposition = "attachment" if kind == OTHER else "inline"
        response.headers["Content-Disposition"] = f"{disposition}; filename*=UTF-8''{name}"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def compare_stored_files(self, call: Call) -> FileChangeList:
        """Compare what an answer has changed with what was there before it, or two versions of one file."""
        query: ChangesQuery = call.args
        if (query.message_id is None) == (not query.path):
            raise UnprocessableContent("Send either message_id or path.")
        with self.database.transaction(call.workspace_id) as tx:
            place = versions.find_place(tx, call.caller, check_conversation_id(call.path["id"]))
            if query.message_id is not None:
                pairs = _pairs_of_answer(tx, place, query.message_id)
            else:
                pairs = [_pair(tx, place, query.path, query.before, query.after)]
        left, changes = MAX_COMPARED_TOTAL, []
        for before, after in pairs:
            left -= after.bytes + (before.bytes if before else 0)
            changes.append(self._change(place, before, after, may_compare=left >= 0))
        return FileChangeList(changes)

    def remove_stored_file(self, call: Call) -> None:
        """Remove a file of one of the caller's conversations, with all its versions, for good."""
        with self.database.transaction(call.workspace_id) as tx:
            place = versions.find_place(tx, call.caller, check_conversation_id(call.path["id"]))
            if not versions.remove(tx, place, call.args.path):
                raise NotFound(f"File not found: {call.args.path!r}.")

    def _change(self, place: Place, before: Version | None, after: Version, *, may_compare: bool) -> FileChange:
        if not may_compare or max(after.bytes, before.bytes if before else 0) > MAX_COMPARED_BYTES:
            diff = Diff("too large", "", 0, 0, is_cut=False)
        else:
            diff = compare(self._content(place, before), self._content(place, after))
        return FileChange(
            path=after.path,
            before=before.version if before else 0,
            after=after.version,
            **msgspec.structs.asdict(diff),
        )

    def _content(self, place: Place, version: Version | None) -> bytes:
        return self.contents.get(place, version.sha256) if version and version.sha256 else b""


def _pairs_of_answer(tx: Connection, place: Place, message_id: uuid.UUID) -> list[tuple[Version | None, Version]]:
    """Return the last version that an answer wrote of each file, with the last one before the answer."""
    by_path: dict[str, list[Version]] = {}
    for version in versions.list_changes(tx, place, message_id):
        by_path.setdefault(version.path, []).append(version)
    pairs = []
    for path, written in list(by_path.items())[:MAX_COMPARED]:
        earlier = [each for each in versions.list_versions(tx, place, path) if each.version < written[0].version]
        pairs.append((earlier[0] if earlier else None, written[-1]))
    return pairs


def _pair(
    tx: Connection, place: Place, path: str, before: int | None, after: int | None
) -> tuple[Version | None, Version]:
    """Return two versions of a file. Raises NotFound."""
    found = {version.version: version for version in versions.list_versions(tx, place, path)}
    if not found:
        raise NotFound(f"File not found: {path!r}.")
    last = after if after is not None else max(found)
    first = before if before is not None else last - 1
    for wanted in (first, last):
        if wanted and wanted not in found:
            raise NotFound(f"File not found: version {wanted} of {path!r}.")
    return found.get(first), found[last]


def _stored(version: Version) -> StoredFile:
    return StoredFile(
        path=version.path,
        version=version.version,
        bytes=version.bytes,
        media_type=media_type(version.path),
        is_deleted=version.sha256 is None,
        message_id=version.message_id,
        created_at=version.created_at,
    )
