"""Tools on the files of the conversation: list, read, write, edit.

A write stores the new contents and returns the new versions. The versions are added in the transaction that stores the
end of the call. So a call that is made again after a crash writes once.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from functions.chat.files.files import ConversationFiles, Listed
from headwater.errors import NotFound, PayloadTooLarge, UnprocessableContent
from headwater.file_store.places import MAX_FILE_BYTES
from headwater.file_store.versions import NewVersion, Version
from headwater.tools import Tool, ToolContext

MAX_READ_CHARS = 20_000
MAX_PATH_CHARS = 1_000
MAX_LISTED = 1_000
_MAX_NAMED = 50

Path = Annotated[str, msgspec.Meta(max_length=MAX_PATH_CHARS, description="A relative path, as `src/app.py`.")]


class Changed(msgspec.Struct, frozen=True):
    """What a call returns that may change files: a text for the model, and the versions to add."""

    text: str
    versions: Sequence[NewVersion]


class ListArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files."""

    folder: Annotated[str, msgspec.Meta(max_length=MAX_PATH_CHARS, description="A folder. Empty: all files.")] = ""


class ListFiles(Tool[ListArguments]):
    """The files by path."""

    name = "list_files"
    description = (
        "Lists the files of this conversation by path: those that the person has attached, and those that you or a "
        "program wrote."
    )
    arguments_type = ListArguments

    def __init__(self, files: ConversationFiles) -> None:
        self._files = files

    def run(self, _: ToolContext, arguments: ListArguments) -> str:
        """List."""
        folder = f"{arguments.folder.strip('/')}/" if arguments.folder.strip("/.") else ""
        found = [file for file in self._files.list_files() if file.path.startswith(folder)]
        lines = [_describe(file) for file in found[:MAX_LISTED]]
        more = [f"({len(found) - MAX_LISTED:,} more are not shown. List a folder.)"] if len(found) > MAX_LISTED else []
        return "\n".join([*lines, *more]) or "There are no files."


class ReadArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of which file."""

    path: Path
    offset: Annotated[int, msgspec.Meta(ge=0, description="The first character to read.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_READ_CHARS, description="Maximum number of characters.")] = 8_000
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class ReadFile(Tool[ReadArguments]):
    """A part of a file's text."""

    name = "read_file"
    description = (
        "Returns a part of a file's text. Attached PDF and Office files are read as Markdown. Long files are read in "
        "several calls. `version`: an earlier version of the file."
    )
    arguments_type = ReadArguments

    def __init__(self, files: ConversationFiles) -> None:
        self._files = files

    def run(self, _: ToolContext, arguments: ReadArguments) -> str:
        """Read."""
        text = self._files.read_text(arguments.path, arguments.version)
        part = text[arguments.offset : arguments.offset + arguments.limit]
        end = arguments.offset + len(part)
        if not part:
            return "(The file is empty.)" if not text else f"(The file has only {len(text):,} characters.)"
        return part + (f"\n\n(Read on at offset {end} of {len(text)}.)" if end < len(text) else "")


class WriteArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which file, and all of its text."""

    path: Path
    content: Annotated[str, msgspec.Meta(description="The whole text of the file.")]


class WriteFile(Tool[WriteArguments]):
    """A new file, or a new version of one."""

    name = "write_file"
    description = (
        "Writes a text file of this conversation, with its folders. Replaces a file with the same path; earlier "
        "versions are kept. The person can open and download the file."
    )
    arguments_type = WriteArguments

    def __init__(self, files: ConversationFiles) -> None:
        self._files = files

    def run(self, _: ToolContext, arguments: WriteArguments) -> Changed:
        """Store the content."""
        return Changed("", [self._files.stage(arguments.path, arguments.content.encode())])


class EditArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which text to replace in which file."""

    path: Path
    old: Annotated[str, msgspec.Meta(min_length=1, description="The exact text to replace, with all spaces.")]
    new: str
    all: Annotated[bool, msgspec.Meta(description="Replace each occurrence. Else `old` must occur once.")] = False


class EditFile(Tool[EditArguments]):
    """A new version of a file, with a text replaced."""

    name = "edit_file"
    description = "Replaces an exact text in a text file of this conversation. Read the file first."
    arguments_type = EditArguments

    def __init__(self, files: ConversationFiles) -> None:
        self._files = files

    def run(self, _: ToolContext, arguments: EditArguments) -> Changed:
        """Replace the text."""
        version, content = self._files.read(arguments.path)
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise UnprocessableContent(f"{arguments.path} is not UTF-8 text, so it can't be edited.") from error
        count = text.count(arguments.old)
        if not count:
            raise NotFound(f"{arguments.path} doesn't contain this text. Read the file, and copy the text exactly.")
        if count > 1 and not arguments.all:
            raise UnprocessableContent(
                f"{arguments.path} contains this text {count:,} times. Give more of the text around it, or set `all`."
            )
        old, new = arguments.old.encode(), arguments.new.encode()
        size = len(content) + count * (len(new) - len(old))
        if size > MAX_FILE_BYTES:
            raise PayloadTooLarge(f"The file would have {size:,} bytes, more than the limit of {MAX_FILE_BYTES:,}.")
        staged = self._files.stage(arguments.path, content.replace(old, new), version.version)
        return Changed("", [staged])


def describe_changes(added: Sequence[Version]) -> str:
    """Say which versions of files were added, for a model."""
    if not added:
        return "No file has changed: they have this content already."
    lines = [
        f"{version.path} (version {version.version}, {version.bytes:,} bytes)"
        if version.sha256
        else f"{version.path} (deleted)"
        for version in added[:_MAX_NAMED]
    ]
    more = [f"and {len(added) - _MAX_NAMED:,} more"] if len(added) > _MAX_NAMED else []
    return "Files: " + ", ".join([*lines, *more])


def _describe(file: Listed) -> str:
    version = f", version {file.version.version}" if file.version else ", text only"
    return f"{file.path} ({file.bytes:,} bytes{version}{', attached by the person' if file.is_attached else ''})"
