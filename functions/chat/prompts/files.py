"""Read prompt functions from a folder: `NAME.toml` with a prompt, schemas of its input and output, and examples.

A file that can't be used has its reason, and the others work. A file is read again once it has changed.
"""

import codecs
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from functions.chat.extraction.output_schema import OutputSchema
from headwater.errors import HeadwaterError, NotFound, UnprocessableContent
from headwater.redaction import quote

MAX_FILES = 200
MAX_FILE_BYTES = 200_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input, and the output that `scripts/eval --prompts` expects."""

    input: dict[str, Any]
    output: Any


class PromptFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file has. `prompt` names properties of the input as `{{name}}`. `model` is one of `CHAT_MODELS`."""

    prompt: str
    input: dict[str, Any]
    output: dict[str, Any]
    description: str = ""
    model: str | None = None
    examples: list[Example] = []


class PromptFunction(NamedTuple):
    """A function that can be called."""

    name: str
    file: PromptFile
    input: OutputSchema
    output: OutputSchema

    def prompt_for(self, given: Mapping[str, Any]) -> str:
        """Return the prompt with an input, which matches the schema. What is inserted is not searched for names."""

        def insert(match: re.Match[str]) -> str:
            value = given.get(match[1].strip())
            return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()

        return _PLACEHOLDER.sub(insert, self.file.prompt)


class _Read(NamedTuple):
    changed: tuple[int, int]
    found: PromptFunction | str


class PromptFolder:
    """The prompt functions of a folder, which need not exist."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder) if folder else None
        self._lock = threading.Lock()
        self._read: dict[Path, _Read] = {}

    def list(self) -> dict[str, PromptFunction | str]:
        """Return the functions by name, sorted; in place of one that can't be used, the reason."""
        paths = sorted(self.folder.glob("*.toml"))[:MAX_FILES] if self.folder else []
        return {path.stem: self._function(path) for path in paths}

    def get(self, name: str) -> PromptFunction:
        """Return a function. Raises NotFound, and UnprocessableContent if its file can't be used."""
        path = self.folder / f"{name}.toml" if self.folder and NAME.fullmatch(name) else None
        if path is None or not path.is_file():
            known = ", ".join(self.list()) or "none: add files to the folder PROMPTS_DIR"
            raise NotFound(f"Prompt not found: {quote(name, 100)}. There are {known}.")
        found = self._function(path)
        if isinstance(found, str):
            raise UnprocessableContent(f"prompt: {found}")
        return found

    def _function(self, path: Path) -> PromptFunction | str:
        try:
            status = path.stat()
            changed = status.st_mtime_ns, status.st_size
            with self._lock:
                if (read := self._read.get(path)) is None or read.changed != changed:
                    read = self._read[path] = _Read(changed, _read_file(path))
            return read.found
        except OSError as error:
            return f"{path.name} can't be read: {error.strerror}."


def _read_file(path: Path) -> PromptFunction | str:
    """Return the function of a file, or what is wrong with it."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    try:
        return read_prompt(path.stem, content)
    except HeadwaterError as error:
        return f"{path.name}: {error.message}"


def read_prompt(name: str, content: bytes) -> PromptFunction:
    """Return a function. Raises UnprocessableContent."""
    if not NAME.fullmatch(name):
        raise UnprocessableContent(
            "A name may have up to 64 lower-case letters, digits and _, and begins with a letter."
        )
    if len(content) > MAX_FILE_BYTES:
        raise UnprocessableContent(f"The file has more than {MAX_FILE_BYTES:,} bytes.")
    try:
        file = msgspec.toml.decode(content.removeprefix(codecs.BOM_UTF8), type=PromptFile)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnprocessableContent(f"It is not a valid prompt: {quote(error)}") from None
    found = PromptFunction(name, file, _schema("input", file.input), _schema("output", file.output))
    if found.input.json.get("type") != "object":
        raise UnprocessableContent('input: the type must be "object".')
    properties = found.input.json.get("properties", {})
    for placeholder in map(str.strip, _PLACEHOLDER.findall(file.prompt)):
        if placeholder not in properties:
            raise UnprocessableContent(f"prompt: {{{{{quote(placeholder, 100)}}}}} is not a property of the input.")
    for number, example in enumerate(file.examples, start=1):
        errors = [f"input{error}" for error in found.input.errors(example.input)]
        errors += [f"output{error}" for error in found.output.errors(example.output)]
        if errors:
            raise UnprocessableContent(f"Example {number}: {'; '.join(errors)}")
    return found


def _schema(field: str, given: Mapping[str, Any]) -> OutputSchema:
    try:
        return OutputSchema(given)
    except UnprocessableContent as error:
        raise UnprocessableContent(f"{field}: {error.message}") from None
