"""The files of a drive as they were last listed, by id: what is in the folder, its path and fingerprint. Pure."""

import base64
import datetime as dt
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from functions.collection.connectors.api_values import as_dict, as_list, as_text
from functions.collection.connectors.media_types import has_text
from functions.collection.connectors.page_paths import PathNode, page_keys
from headwater.connectors import MAX_CURSOR_CHARS, Entry, Period
from headwater.errors import SystemicError

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
_GOOGLE = "application/vnd.google-apps."
_OFFICE = "application/vnd.openxmlformats-officedocument."
EXPORTS = {
    "document": "text/markdown",
    "spreadsheet": f"{_OFFICE}spreadsheetml.sheet",
    "presentation": f"{_OFFICE}presentationml.presentation",
}
"""Formats in which documents of Google's editors are fetched, by their kind."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,100}/[a-z0-9][a-z0-9!#$&^_.+-]{0,150}")


class DriveFile(msgspec.Struct, frozen=True, array_like=True):
    """A file or folder. `version` is a hash of its content, or else the time of its last change."""

    name: str
    parent: str
    media_type: str
    version: str = ""
    modified: str = ""
    size: int = 0
    target: str = ""
    """Of a shortcut: the id of the file that it leads to."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.media_type == FOLDER

    @property
    def kind(self) -> str:
        """The kind of a document of Google's editors, such as `document`; "" for a file."""
        return self.media_type.removeprefix(_GOOGLE) if self.media_type.startswith(_GOOGLE) else ""

    @property
    def is_readable(self) -> bool:
        """Whether a file of this type may have a text."""
        return self.kind in EXPORTS if self.kind else has_text(self.media_type)

    def fingerprint(self, file_id: str) -> str:
        """Return the fingerprint: it has what `fetch` needs to know."""
        return f"{file_id}.{self.kind or 'file'}.{self.version}"


class DriveState(msgspec.Struct):
    """What is known of a drive. Changes are read from `page_token` on."""

    page_token: str = ""
    files: dict[str, DriveFile] = {}


def read_file(value: Any) -> tuple[str, DriveFile] | None:
    """Return a file's id and what is needed of it; None for one in the trash or in another form."""
    found = as_dict(value)
    file_id, media_type = as_text(found.get("id")), as_text(found.get("mimeType")).lower()
    if found.get("trashed") is True or not _ID.fullmatch(file_id):
        return None
    parents = [parent for parent in map(as_text, as_list(found.get("parents"))) if _ID.fullmatch(parent)]
    hashes = (as_text(found.get(name)) for name in ("md5Checksum", "headRevisionId", "modifiedTime"))
    version = re.sub(r"[^\w:.-]", "", next(filter(None, hashes), ""))[:100]
    size, target = as_text(found.get("size")), as_text(as_dict(found.get("shortcutDetails")).get("targetId"))
    file = DriveFile(
        as_text(found.get("name")),
        parents[0] if parents else "",
        media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream",
        version,
        as_text(found.get("modifiedTime"))[:40],
        int(size) if size.isascii() and size.isdecimal() and len(size) < 16 else 0,
        target if _ID.fullmatch(target) else "",
    )
    return file_id, file


def inside(files: dict[str, DriveFile], root: str) -> Iterator[str]:
    """Yield the ids of the files below a folder; of all if it is "". A cycle of folders is below none."""
    verdicts = {root: True}
    for file_id in files:
        chain: list[str] = []
        current = file_id
        while current not in verdicts and current in files:
            chain.append(current)
            verdicts[current] = False  # until its parents are known; ends cycles
            current = files[current].parent
        is_inside = verdicts.get(current, False)
        verdicts |= dict.fromkeys(chain, is_inside)
        if not root or (is_inside and file_id != root):
            yield file_id


class Selection(msgspec.Struct, frozen=True):
    """The entries of a listing, the reasons why files are skipped, and how many have types without text."""

    entries: list[Entry]
    skipped: list[tuple[str, str]]
    unmatched: dict[str, int]


Targets = dict[str, tuple[str, DriveFile] | str]
"""What shortcuts lead to, by their ids: a file with its id, or the reason why it isn't collected; "" for none."""


def shortcuts(state: DriveState, root: str) -> dict[str, str]:
    """Return the shortcuts below a folder to files that aren't in it, with what they lead to; "" for unknown."""
    ids = set(inside(state.files, root))
    found = ((file_id, state.files[file_id]) for file_id in sorted(ids))
    return {file_id: file.target for file_id, file in found if file.media_type == SHORTCUT and file.target not in ids}


def select(state: DriveState, root: str, max_bytes: int, period: Period | None, targets: Targets) -> Selection:
    """Return the listing of the files below a folder, and of those that shortcuts lead to."""
    ids = [file_id for file_id in inside(state.files, root) if not state.files[file_id].is_folder]
    files = {file_id: (file_id, state.files[file_id]) for file_id in ids}
    files |= {file_id: target for file_id, target in targets.items() if not isinstance(target, str)}
    nodes = {file_id: PathNode(file.name, file.parent) for file_id, file in state.files.items()}
    keys = page_keys(nodes, (file_id for file_id in ids if files[file_id][1].is_readable), root=root)
    entries, skipped, unmatched = [], [], dict[str, int]()
    for shortcut_id in ids:
        file_id, file = files[shortcut_id]
        reason = targets.get(shortcut_id, "")
        if reason and isinstance(reason, str):
            skipped.append((file.name, reason))
        elif shortcut_id not in keys:
            suffix = re.search(r"\.[A-Za-z0-9]{1,8}$", file.name)
            name = suffix[0].lower() if suffix else ""
            unmatched[name] = unmatched.get(name, 0) + 1
        elif file.size > max_bytes:
            skipped.append((keys[shortcut_id], f"it has {file.size:,} bytes, more than {max_bytes:,} (MAX_FILE_BYTES)"))
        elif period is None or _is_of(period, file.modified):
            entries.append(Entry(keys[shortcut_id], file.fingerprint(file_id), EXPORTS.get(file.kind, file.media_type)))
    return Selection(entries, skipped, unmatched)


def _is_of(period: Period, modified: str) -> bool:
    try:
        return period.has(dt.datetime.fromisoformat(modified))
    except ValueError:
        return False


def encode_state(state: DriveState) -> str | None:
    """Return the state as a cursor; None if the drive has too many files."""
    cursor = base64.b85encode(zlib.compress(msgspec.msgpack.encode(state), 6)).decode()
    return cursor if len(cursor) <= MAX_CURSOR_CHARS else None


def decode_state(cursor: str) -> DriveState:
    """Return the state of the last listing."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(cursor)), type=DriveState)
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        raise SystemicError(f"The source's stored state can't be read ({error}). Collect everything again.") from None
