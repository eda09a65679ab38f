"""docutils' reader and parser with bounds, so that the time grows linearly with the file.

docutils copies what is left of a paragraph after each construct in it, and searches it for the end of each that is
opened; some directives read the whole document once it is parsed; and targets in a row collect each other's names. Each
takes quadratic time. Substitutions may double with each level.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Parser, roles
from docutils.parsers.rst.states import Inliner
from docutils.readers.standalone import Reader
from docutils.transforms.misc import Transitions
from docutils.transforms.references import PropagateTargets, Substitutions

MAX_CHARS = 1_000
"""Characters of a long paragraph after which it is cut, at the end of a sentence if possible. Cut markup is text."""

MAX_PENDING = 20
"""Directives, such as `contents`, that read the parsed document. The others do nothing."""

MAX_TARGETS = 300
"""With more targets in a file, a target before one with an address doesn't get its address."""

SUBSTITUTED_SHARE, SUBSTITUTED_CHARS = 2, 100_000
"""Substitutions add at most twice the text and 100,000 characters; the others remain as written."""

MAX_QUOTED_BLOCKS = 300
"""Blocks of code that aren't indented: for each, docutils copies the rest of the file. Others are paragraphs."""

_QUOTED_BLOCK = re.compile(r"^(?![ \t]*\.\.[ \t])([^\n]*:):[ \t]*+\n(?:[ \t]*+\n)*(?=\S)", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.:;!?])\s")
_SPACE = re.compile(r"(?<!\\)\s")


class BoundedReader(Reader):  # type: ignore[misc]
    """Leaves out what takes quadratic time and isn't shown."""

    def get_transforms(self) -> list[Any]:
        """Return what is done with a parsed document."""
        bounded = {Transitions: None, PropagateTargets: _PropagateTargets, Substitutions: _Substitutions}
        return [kept for each in super().get_transforms() if (kept := bounded.get(each, each))]


class _PropagateTargets(PropagateTargets):  # type: ignore[misc]
    def apply(self) -> None:
        if sum(1 for _ in self.document.findall(nodes.target)) <= MAX_TARGETS:
            super().apply()


class _Substitutions(Substitutions):  # type: ignore[misc]
    """Substitutes within a limit, and nothing in what is substituted."""

    def apply(self) -> None:
        definitions, names = self.document.substitution_defs, self.document.substitution_names
        left = SUBSTITUTED_SHARE * len(self.document.astext()) + SUBSTITUTED_CHARS
        for definition in definitions.values():
            for reference in list(definition.findall(nodes.substitution_reference)):
                reference.replace_self(nodes.Text(reference.rawsource))
        sizes = {name: len(definition.astext()) for name, definition in definitions.items()}
        for reference in list(self.document.findall(nodes.substitution_reference)):
            name = reference["refname"]
            left -= sizes.get(name if name in sizes else names.get(name.lower()), 0)
            if left < 0:
                reference.replace_self(nodes.Text(reference.rawsource))
        super().apply()


class BoundedParser(Parser):  # type: ignore[misc]
    """Parses long paragraphs in pieces, and reads the document for few directives."""

    def __init__(self) -> None:
        super().__init__(inliner=_Inliner())

    def parse(self, inputstring: str, document: Any) -> None:
        """Parse a text into a document. Roles that it defines end with it: docutils has one list for all files."""
        note, count = document.note_pending, iter(range(MAX_PENDING))
        document.note_pending = lambda *arguments: note(*arguments) if next(count, None) is not None else None
        known = dict(roles._roles)
        try:
            super().parse(limit_quoted_blocks(inputstring), document)
        finally:
            roles._roles.clear()
            roles._roles.update(known)


class _Inliner:
    """docutils' parser of inline markup; no subclass, since it reads attributes of the class itself."""

    def __init__(self) -> None:
        self._inliner = Inliner()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inliner, name)

    def parse(self, text: str, lineno: int, memo: Any, parent: Any) -> tuple[list[Any], list[Any]]:
        """Return the nodes of a paragraph and the messages on it. A piece has a node of its own, which is searched."""
        if len(text) <= 2 * MAX_CHARS:
            parsed: tuple[list[Any], list[Any]] = self._inliner.parse(text, lineno, memo, parent)
            return parsed
        found: list[Any] = []
        messages: list[Any] = []
        for piece in pieces(text):
            inlines, problems = self._inliner.parse(piece, lineno, memo, parent)
            found.append(nodes.inline("", "", *inlines))
            messages += problems
        return found, messages


def limit_quoted_blocks(text: str) -> str:
    """Take the mark `::` before a block of code that isn't indented for a colon, beyond MAX_QUOTED_BLOCKS."""
    found = islice(_QUOTED_BLOCK.finditer(text), MAX_QUOTED_BLOCKS, MAX_QUOTED_BLOCKS + 1)
    if (first := next(found, None)) is None:
        return text
    return text[: first.start()] + _QUOTED_BLOCK.sub(r"\1\n\n", text[first.start() :])


def pieces(text: str) -> Iterator[str]:
    """Split a text of more than twice MAX_CHARS after a sentence, or at white space that no backslash escapes."""
    start = 0
    while len(text) - start > 2 * MAX_CHARS:
        window = start + MAX_CHARS, start + 2 * MAX_CHARS
        space = _SENTENCE_END.search(text, *window) or _SPACE.search(text, *window)
        end = space.start() if space else window[1]
        yield text[start:end]
        start = end
    yield text[start:]
