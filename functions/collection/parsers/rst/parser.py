"""The reStructuredText parser. Directives that read files or run code do nothing; Sphinx's own are text."""

import re
import textwrap
from typing import TYPE_CHECKING, Any

from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import Inline, InlineCode, InlineLink, MarkdownWriter
from headwater.errors import HeadwaterError, PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils.nodes import Element, Node

READS = ("text/x-rst", "text/prs.fallenstein.rst", ".rst", ".rest")
VERSION = 2

_SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "warning_stream": "",
    "syntax_highlight": "none",
    "doctitle_xform": True,
    "sectsubtitle_xform": False,
    "smart_quotes": False,
    "line_length_limit": 10_000_000,
}
_ROLE = re.compile(r":[\w:.+-]+:`(?:(?P<label>[^`<]+?)\s*<[^`>]*>|~?(?P<text>[^`]+))`")
_DIRECTIVE = re.compile(r"\.\.\s+(?P<name>[\w:.+-]+)::[ \t]*(?P<argument>[^\n]*)\n?(?P<body>.*)", re.DOTALL)
_OPTION = re.compile(r"\s*:[\w-]+:.*")
_CODE_DIRECTIVES = frozenset({"code-block", "sourcecode", "literalinclude", "highlight", "testcode", "doctest"})
_SILENT_DIRECTIVES = frozenset(
    {"toctree", "include", "raw", "index", "automodule", "autoclass", "autofunction", "currentmodule", "module"}
)
_HIDDEN = frozenset({"comment", "substitution_definition", "target", "docinfo", "decoration", "meta", "pending", "raw"})
_MAX_DEPTH = 60


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a file. Raises PermanentError if it is binary or its structure can't be read."""
    from docutils.core import publish_doctree

    from functions.collection.parsers.rst.bounded import BoundedParser, BoundedReader

    text, warnings = decode_text(content)
    parser = BoundedParser()
    try:
        document = publish_doctree(
            text, reader=BoundedReader(parser), parser=parser, settings_overrides=dict(_SETTINGS)
        )
    except (MemoryError, HeadwaterError):
        raise
    except RecursionError as error:
        raise PermanentError("its structure can't be read: it is nested too deeply.") from error
    except Exception as error:  # docutils raises many kinds of errors on invalid markup
        raise PermanentError(f"its structure can't be read: {type(error).__name__}: {error}"[:300]) from error
    writer = MarkdownWriter()
    writer.warnings += warnings
    _Writer(writer).write(document, 0, 0)
    return writer.finish(document.get("title"), _docinfo(document))


def _docinfo(document: "Element") -> dict[str, Any]:
    """Return the fields at the top of a file, such as `:author:`."""
    from docutils import nodes

    values: dict[str, Any] = {}
    for info in document.findall(nodes.docinfo):
        for field in info.children:
            if isinstance(field, nodes.field):
                values[field[0].astext().lower()] = field[1].astext()
            else:
                values[field.__class__.__name__] = field.astext()
    return values


class _Writer:
    def __init__(self, writer: MarkdownWriter) -> None:
        self._writer = writer
        self._is_quote = False

    def write(self, parent: "Element", level: int, depth: int) -> None:
        """Write the children of a node. `level` is the number of sections around it."""
        for node in parent.children:
            kind = node.__class__.__name__
            if kind in _HIDDEN or depth > _MAX_DEPTH:
                continue
            if method := getattr(self, f"_{kind}", None):
                method(node, level, depth)
            elif kind in ("title", "subtitle", "rubric"):
                self._writer.heading(level + (kind != "title" or level == 0), list(_inlines(node)))
            elif kind == "section":
                self.write(node, level + 1 + (level == 0 and bool(parent.get("title"))), depth + 1)
            elif _has_blocks(node):
                self.write(node, level, depth + 1)
            else:
                self._paragraph(node, level, depth)

    def _paragraph(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002 (all have these)
        (self._writer.quote if self._is_quote else self._writer.paragraph)(list(_inlines(node)))

    def _block_quote(self, node: "Element", level: int, depth: int) -> None:
        outer, self._is_quote = self._is_quote, True
        self.write(node, level, depth + 1)
        self._is_quote = outer

    def _literal_block(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002
        languages = [name for name in node.get("classes", ()) if name not in ("code", "literal-block")]
        self._writer.code(node.astext(), node.get("language") or next(iter(languages), ""))

    _doctest_block = _literal_block

    def _bullet_list(self, node: "Element", level: int, depth: int, nesting: int = 0) -> None:
        is_numbered = node.__class__.__name__ == "enumerated_list"
        for number, item in enumerate(node.children, start=node.get("start", 1)):
            inlines: list[Inline] = []
            later: list[Node] = []
            for child in getattr(item, "children", ()):
                if child.__class__.__name__ == "paragraph" and not later:
                    inlines += [*_inlines(child), "\n"]
                elif child.__class__.__name__ not in _HIDDEN:
                    later.append(child)
            self._writer.item(inlines, depth=nesting, number=number if is_numbered else None)
            for child in later:
                if child.__class__.__name__ in ("bullet_list", "enumerated_list") and depth < _MAX_DEPTH:
                    self._bullet_list(child, level, depth + 1, nesting + 1)
                else:
                    self.write(_wrap(child), level, depth + 1)

    _enumerated_list = _bullet_list

    def _definition_list_item(self, node: "Element", level: int, depth: int) -> None:
        terms = [child for child in node.children if child.__class__.__name__ == "term"]
        self._writer.paragraph([inline for term in terms for inline in (*_inlines(term), ":")])
        for child in node.children:
            if child.__class__.__name__ == "definition":
                self.write(child, level, depth + 1)

    def _field(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002
        self._writer.item([f"{node[0].astext()}: ", *_inlines(node[1])])

    def _table(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002
        from docutils import nodes

        for title in node.findall(nodes.title):
            self._writer.paragraph(list(_inlines(title)))
        self._writer.table([[list(_inlines(cell)) for cell in row.children] for row in node.findall(nodes.row)])

    def _footnote(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002
        label, *blocks = node.children
        self._writer.item([f"[{label.astext()}] ", *(inline for block in blocks for inline in _inlines(block))])

    _citation = _footnote

    def _system_message(self, node: "Element", level: int, depth: int) -> None:  # noqa: ARG002
        """Write the text of a directive that docutils doesn't know."""
        literal = next((child for child in node.children if child.__class__.__name__ == "literal_block"), None)
        found = _DIRECTIVE.match(literal.astext()) if literal is not None else None
        if found is None or found["name"] in _SILENT_DIRECTIVES:
            return
        lines = textwrap.dedent(found["body"]).split("\n")
        while lines and (not lines[0].strip() or _OPTION.fullmatch(lines[0])):
            lines.pop(0)
        body = "\n".join(lines)
        if found["name"] in _CODE_DIRECTIVES:
            self._writer.code(body, found["argument"])
            return
        self._writer.paragraph(_without_roles(found["argument"]))
        for paragraph in re.split(r"\n\s*\n", body):
            self._writer.paragraph(_without_roles(paragraph))


def _inlines(node: "Element") -> "Iterator[Inline]":
    from docutils import nodes

    for child in node.children:
        if isinstance(child, nodes.Text):
            yield child.astext()
        elif isinstance(child, nodes.literal | nodes.math):
            yield InlineCode(child.astext())
        elif isinstance(child, nodes.reference) and child.get("refuri"):
            yield InlineLink(child.astext(), child["refuri"])
        elif isinstance(child, nodes.problematic):
            yield _without_roles(child.astext())
        elif isinstance(child, nodes.image):
            yield child.get("alt", "")
        elif isinstance(child, nodes.footnote_reference | nodes.citation_reference):
            yield f" [{child.astext()}]"
        elif child.__class__.__name__ not in _HIDDEN and child.__class__.__name__ != "system_message":
            is_block = isinstance(child, nodes.Body | nodes.Part) and not isinstance(child, nodes.Inline)
            yield from _inlines(child)
            yield "\n" if is_block else ""


def _without_roles(text: str) -> str:
    """Return what is shown of Sphinx's roles: the label, or the target.

    >>> _without_roles("see :ref:`the guide <guide>` and :py:func:`~a.b`")
    'see the guide and a.b'
    """
    return _ROLE.sub(lambda match: match["label"] or match["text"], text)


def _has_blocks(node: "Node") -> bool:
    from docutils import nodes

    return any(isinstance(child, nodes.Body | nodes.Structural | nodes.Part) for child in node.children)


def _wrap(node: "Node") -> "Element":
    from docutils import nodes

    container = nodes.container()
    container.children = [node]
    return container
