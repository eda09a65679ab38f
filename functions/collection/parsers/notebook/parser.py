"""The notebook parser: Markdown cells as they are, code cells as code, and the text of their outputs. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import MarkdownWriter
from headwater.errors import PermanentError
from headwater.parsers import Parsed

READS = ("application/x-ipynb+json", ".ipynb")
VERSION = 2

MAX_OUTPUT_CHARS = 10_000

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TEXTS = frozenset({"text/plain", "text/markdown", "text/latex"})
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a notebook of format 3 or 4. Raises PermanentError if it is none."""
    text, warnings = decode_text(content)
    try:
        notebook = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PermanentError("it is damaged: it is not valid JSON") from error
    if not isinstance(notebook, dict):
        raise PermanentError("it is not a notebook, although its name says so")
    sheets = [notebook, *_dicts(notebook.get("worksheets"))]
    cells = [cell for sheet in sheets for cell in _dicts(sheet.get("cells"))]
    if not cells and "cells" not in notebook:
        raise PermanentError("it is not a notebook, although its name says so")
    language = _language(notebook)
    parts = [part for cell in cells for part in _read_cell(cell, language, warnings)]
    return Parsed("\n\n".join(parts), warnings=tuple(dict.fromkeys(warnings)))


def _read_cell(cell: dict[str, Any], language: str, warnings: list[str]) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "heading":
        level = cell.get("level")
        source = "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + f" {source}"
    if kind != "code":
        if source.strip():
            yield source.strip("\n")
        return
    if source.strip():
        yield _fence(source, language)
    for output in _dicts(cell.get("outputs")):
        page = _page(output)
        shown = page or _last_written(_output(output))
        if len(shown) > MAX_OUTPUT_CHARS:
            shown = shown[:MAX_OUTPUT_CHARS]
            warnings.append(f"outputs are cut after {MAX_OUTPUT_CHARS:,} characters")
        if shown.strip():
            yield shown if page else _fence(shown, "text")


def _output(output: dict[str, Any]) -> str:
    """Return the text of an output. Errors are their name and message, images have none."""
    if output.get("output_type") in ("error", "pyerr"):
        return _text(f"{output.get('ename', '')}: {output.get('evalue', '')}")
    data = output.get("data")
    if isinstance(data, dict):
        return _text(data.get("text/plain", data.get("text/markdown", data.get("text/latex"))))
    return _text(output.get("text"))


def _last_written(text: str) -> str:
    """Return what is shown of lines that a progress bar wrote again and again, with carriage returns between.

    >>> _last_written("1 %\\r2 %\\r\\ndone")
    '2 %\\ndone'
    """
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _page(output: dict[str, Any]) -> str:
    """Return an output that is only HTML as Markdown, "" for another one."""
    data = output.get("data")
    if not isinstance(data, dict) or "text/html" not in data or data.keys() & _TEXTS:
        return ""
    from lxml import etree, html

    writer = MarkdownWriter()
    try:
        write_html(html.fragment_fromstring(_text(data["text/html"]), create_parent="div"), writer)
    except (etree.ParserError, ValueError):
        return ""
    return writer.finish().text


def _fence(text: str, language: str) -> str:
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    body = text.strip("\n").rstrip()
    return f"{fence}{language}\n{body}\n{fence}"


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for name in ("language_info", "kernelspec"):
        about = metadata.get(name) if isinstance(metadata, dict) else None
        language = about.get("name" if name == "language_info" else "language") if isinstance(about, dict) else None
        if isinstance(language, str) and _LANGUAGE.fullmatch(language):
            return language
    return "python"


def _text(value: Any) -> str:
    """Join the lines of a text, which may be a list."""
    text = "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
    return _CONTROLS.sub("", _ANSI.sub("", text).replace("\0", " "))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
