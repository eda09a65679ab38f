"""Places, limits and paths of file stores. Pure."""

import hashlib
import re
import uuid
from collections.abc import Iterable

import msgspec

from headwater.config import Settings
from headwater.errors import UnprocessableContent
from headwater.sandbox import files as sandbox_files

MAX_FILE_BYTES = 31_000_000
"""Size of a file: what a response of Cloud Run and a request of the Worker can have."""

MAX_FILES = 1_000
"""Files of a conversation that are not deleted."""

MAX_VERSIONS = 10_000
"""Versions of a conversation's files, with those of deleted files."""

_MAX_NAME_BYTES = 255


class Place(msgspec.Struct, frozen=True):
    """The conversation whose file store is meant; `conversation_id` as it is stored (`headwater.conversations`)."""

    workspace_id: uuid.UUID
    conversation_id: str


class Quota(msgspec.Struct, frozen=True):
    """Bytes of all contents that versions name: of a conversation, and of all conversations of a workspace."""

    conversation_bytes: int
    workspace_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "Quota":
        """Return the quota of the settings."""
        return cls(settings.max_file_store_bytes, settings.max_workspace_file_bytes)


def check_path(path: str) -> str:
    """Return a path such as `src/app.py` if it is one of a file below a folder. Raises UnprocessableContent."""
    check_paths([path])
    return path


def check_paths(paths: Iterable[str]) -> None:
    """Raise UnprocessableContent unless the paths can be files of one folder: the sandbox writes them into one."""
    try:
        sandbox_files.check_paths(list(paths))
    except ValueError as error:
        raise UnprocessableContent(f"{error}. Use relative paths such as src/app.py.") from error


def path_of_attachment(name: str) -> str:
    """Return the path of a file that a person has attached: its name, with `_` for characters that paths can't have."""
    path = "".join(c if c.isprintable() and c not in "\\/" else "_" for c in name)
    shortened = path.encode(errors="replace")[-_MAX_NAME_BYTES:].decode(errors="ignore")
    return re.sub(r"^\.{1,2}$", "_", shortened)


def blob_key(place: Place, sha256: str) -> str:
    """Return the key of a content's blob. Ids may differ only in case, which not every file system tells apart."""
    conversation = hashlib.sha256(place.conversation_id.encode()).hexdigest()[:32]
    return f"conversations/{place.workspace_id}/{conversation}/{sha256}"
