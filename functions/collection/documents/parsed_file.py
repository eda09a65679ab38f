"""What a process of `parser_pool` gets and returns for a file."""

from typing import Any

import msgspec

from functions.collection.chunking.chunk import Chunk
from headwater.parsers import Link


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """A file to parse. `parser` names a built-in parser, "" if an extension parses; `title` replaces the file's own.

    `language` is most of the source's documents', None if it has none.
    """

    key: str
    content: bytes
    media_type: str
    parser: str = ""
    title: str | None = None
    language: str | None = None


class Unparsed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Why a parser can't read a file. `media_type` is that of extensions that can, "" for none."""

    reason: str
    media_type: str = ""


class ParseFailure(msgspec.Struct, frozen=True):
    """Why a file could not be read. `may_pass`: a later attempt may succeed although the file is unchanged.

    `media_type` is that of extensions that can read it, "" for none.
    """

    reason: str
    may_pass: bool
    media_type: str = ""


class ParsedFile(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A parsed file with its chunks. All offsets are into `text`, in code points.

    `words` has the words of each chunk, its title and headings: a sparse vector in binary format, and their number.
    `inherits_language`: the language of the text can't be detected, so it is that of others.
    """

    title: str
    text: str
    front_matter: dict[str, Any]
    language: str
    links: tuple[Link, ...]
    chunks: tuple[Chunk, ...]
    words: tuple[tuple[bytes, int], ...]
    warnings: tuple[str, ...]
    pages: tuple[int, ...] = ()
    inherits_language: bool = False
