"""Find the parser for a document by its media type and file extension: a package in this folder, or an extension."""

import pkgutil
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import import_module

import msgspec

import functions.collection.parsers as built_in
from functions.collection.wordpress_export import is_export
from headwater.extensions import discovery
from headwater.extensions.discovery import Extension
from headwater.parsers import Parser

_UNSPECIFIC = frozenset({"", "text/plain", "application/octet-stream", "application/zip"})
"""Media types that say less than a file extension. Many formats are ZIP files."""

_ZIP_PARSERS = frozenset({"office", "spreadsheet", "epub", "archive"})
_IN_ZIP = (
    (b"mimetypeapplication/epub+zip", "epub"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "spreadsheet"),
    (b"mimetypeapplication/vnd.oasis.opendocument.", "office"),
    (b"xl/workbook", "spreadsheet"),
    (b"word/document", "office"),
    (b"ppt/presentation", "office"),
)
"""Names of parts, or the uncompressed first part, that tell the format of a ZIP file."""

_TEXT = re.compile(r"text/.*|application/(?!x-ipynb)(?:json|yaml|xml|octet-stream|.*\+(?:json|xml))")
"""Types that are parsed as Markdown if they have no parser of their own; `octet-stream` is refused if it is binary.
Not notebooks: their outputs are images in Base64."""


class BuiltInParser(msgspec.Struct, frozen=True):
    """The parser of a package in this folder."""

    name: str
    parse: Parser
    version: int


class ParserChoice(msgspec.Struct, frozen=True):
    """The parser for a document, or the `problem` that leaves it without one. `ignored` also claims to read it."""

    parser: BuiltInParser | Extension | None
    problem: str | None = None
    ignored: Extension | None = None


def choose(name: str, media_type: str) -> ParserChoice:
    """Choose the parser for a document by its key and its media type; a media type that says little goes last."""
    return _choose(file_extension(name), media_type.partition(";")[0].strip().lower())


def file_extension(name: str) -> str:
    """Return the file extension of a key in lower case, such as `.md`; "" without one."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def parser_version(choice: ParserChoice) -> str:
    """Return what stands for the parser in a fingerprint: `1` for Markdown, `acme_pdf-1_2` for an extension.

    Documents that no parser reads count as Markdown's: once a parser for them is installed, they have changed.
    """
    from functions.collection.parsers.markdown import parser as markdown

    match choice.parser:
        case Extension(package=package, version=version):
            return f"{_escape_separators(package)}-{_escape_separators(version)}"
        case BuiltInParser(name=name, version=number) if name != "markdown":
            return f"{name}-{number}"
    return str(markdown.VERSION)


@cache
def parser_versions() -> Mapping[str, str]:
    """Return `parser_version` of every installed parser, by what stands before its `-`; Markdown's by ""."""
    choices = [ParserChoice(parser) for parser in _built_in().values()]
    choices += [
        ParserChoice(one) for same_name in discovery.installed("headwater.parsers").values() for one in same_name
    ]
    versions = map(parser_version, choices)
    return {version.rpartition("-")[0]: version for version in sorted(versions)}


@lru_cache(1024)
def _choose(extension: str, media_type: str) -> ParserChoice:
    keys = (extension, media_type) if media_type in _UNSPECIFIC else (media_type, extension)
    installed = discovery.installed("headwater.parsers")
    clashing = [installed[key][0] for key in keys if key in installed and key in _built_in()]
    for key in keys:
        extensions = installed.get(key, ())
        if key in _built_in():
            return ParserChoice(_built_in()[key], ignored=clashing[0] if clashing else None)
        if len(extensions) > 1:
            packages = " and ".join(extension.package for extension in extensions)
            return ParserChoice(None, f"{packages} both read {key}, so neither is used; uninstall one of them")
        if extensions:
            return ParserChoice(extensions[0])
    if not media_type or _TEXT.fullmatch(media_type):
        return ParserChoice(_built_in()["text/markdown"])
    return ParserChoice(
        None, f"no installed parser reads {media_type}; install one, or exclude such files from the source"
    )


def load_built_in(name: str) -> Parser:
    """Return a built-in parser by its name, which is its package's."""
    return next(parser.parse for parser in _built_in().values() if parser.name == name)


def true_parser(name: str, content: bytes) -> str:
    """Return the parser for a file whose first bytes are those of another format than `name` reads; else `name`."""
    if content.startswith(b"%PDF-"):
        return "pdf"
    if name == "markdown" and is_export(content):
        return "wordpress"
    if content.startswith(b"PK\x03\x04") and name not in _ZIP_PARSERS:
        head = content[:4_000]
        return next((parser for sign, parser in _IN_ZIP if sign in head or sign in content[-20_000:]), "archive")
    return name


@cache
def _built_in() -> Mapping[str, BuiltInParser]:
    parsers: dict[str, BuiltInParser] = {}
    for package in pkgutil.iter_modules(built_in.__path__):
        if package.ispkg:
            module = import_module(f"{built_in.__name__}.{package.name}.parser")
            parser = BuiltInParser(package.name, module.parse, module.VERSION)
            parsers.update(dict.fromkeys(module.READS, parser))
    return parsers


def _escape_separators(text: str) -> str:
    """Write a name without the characters that separate the parts of a fingerprint.

    >>> _escape_separators("acme-pdf"), _escape_separators("1.2.0+local")
    ('acme_pdf', '1_2_0_local')
    """
    return re.sub(r"\W", "_", text, flags=re.ASCII)
