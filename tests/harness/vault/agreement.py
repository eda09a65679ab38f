"""Collect vaults with the real steps, and count where what is stored agrees with what the tools read."""

import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.chat.answers.prompt import ModelInput
from functions.chat.models.extractive import INTRODUCTION, Extractive
from functions.chat.retrieval.search import Passage
from functions.collection.connectors.media_types import media_type
from headwater.passages import excerpt
from tests.harness.parsing import parse
from tests.harness.pipeline import Pipeline, Repository
from tests.harness.vault import docusaurus, hugo, jekyll, logseq, mkdocs, obsidian, vitepress, zola
from tests.harness.vault.notes import VISIBLE, Note, Words

TOOLS: dict[str, Callable[[Words, int], list[Note]]] = {
    "Obsidian": obsidian.notes,
    "Logseq": logseq.notes,
    "MkDocs": mkdocs.notes,
    "Docusaurus": docusaurus.notes,
    "Hugo": hugo.notes,
    "Zola": zola.notes,
    "Jekyll": jekyll.notes,
    "VitePress": vitepress.notes,
}
KINDS = ("title", "front matter", "heading", "link", "prose", "chunk", "quotation")
"""`prose`: plain sentences that are quoted when asked for. `chunk`: chunks with a word. `quotation`: without markup."""

# CommonMark's own inline markup is rendered in an answer.
_EMPHASIS = re.compile(r"\*\*|[*`]")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s{}\[\]]*\)")
_PLAIN = re.compile(r"[\w\s.,;!?'/()-]*")
_FENCED = re.compile(r"^(`{3,})\n.*\n\1$", re.DOTALL | re.MULTILINE)
_UNRELATED = "Unrelated?"


@dataclass
class Agreement:
    """How much agrees, by tool and kind, and what doesn't."""

    total: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreed: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def count(self, tool: str, kind: str, agrees: bool, *details: object) -> None:
        """Count one comparison."""
        self.total[tool, kind] += 1
        self.agreed[tool, kind] += agrees
        if not agrees:
            self.differences.append(" | ".join([tool, kind, *map(str, details)]))


@dataclass(frozen=True)
class Stored:
    """A document as it is stored. `links`: the key that each link leads to, by its markup."""

    key: str
    title: str
    front_matter: dict[str, Any]
    text: str
    chunks: list[tuple[int, int, list[str], list[int], str | None]]
    links: list[tuple[str, str | None]]


def make_vault(tool: str, count: int, seed: int) -> list[Note]:
    """Write the notes of one tool; the same ones for the same seed."""
    notes = TOOLS[tool](Words(random.Random(f"{seed} {tool}")), count)
    assert len({note.key for note in notes}) == len(notes) == count
    return notes


def collect_vault(pipeline: Pipeline, folder: Path, notes: list[Note]) -> dict[str, Stored]:
    """Collect notes from a Git repository and return the documents by key."""
    repository = Repository(folder)
    repository.write({note.key: note.content for note in notes})
    source = pipeline.add_source(repository.url)
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", len(notes)), run
    return read_stored(pipeline, source.id)


def read_stored(pipeline: Pipeline, source_id: uuid.UUID) -> dict[str, Stored]:
    """Read a source's documents with their chunks and links."""
    rows = pipeline.rows(
        """select d.key, d.title, d.front_matter, d.text,
          (select coalesce(json_agg(json_build_array(start_offset, end_offset, heading_path, coalesce(markup, '{}'),
            substr(d.text, header_start + 1, header_end - header_start)) order by ordinal), '[]')
            from chunks where document_id = d.id),
          (select coalesce(json_agg(json_build_array(substr(d.text, l.start_offset + 1, l.end_offset - l.start_offset),
            t.key) order by l.start_offset), '[]') from relations l
            left join documents t on t.id = l.target_document_id and t.deleted_at is null where l.document_id = d.id)
        from documents d where source_id = :source and deleted_at is null""",
        source=source_id,
    )
    return {row[0]: Stored(*row) for row in rows}


def compare(agreement: Agreement, tool: str, notes: list[Note], stored: Mapping[str, Stored]) -> None:
    """Compare all notes of a vault with the stored documents."""
    for note in notes:
        document = stored[note.key]
        agreement.count(
            tool, "title", _words(document.title) == _words(note.title), note.key, note.title, document.title
        )
        same = document.front_matter == note.front_matter
        agreement.count(tool, "front matter", same, note.key, note.front_matter, document.front_matter)
        _compare_headings(agreement, tool, note)
        _compare_links(agreement, tool, note, document)
        _compare_chunks(agreement, tool, note, document)


def _words(title: str) -> str:
    """Fold a title: one that is made of a file's name may differ in case and separators."""
    return re.sub(r"[\s_-]+", " ", title).casefold()


def _compare_headings(agreement: Agreement, tool: str, note: Note) -> None:
    blocks = parse(note.key, note.content.encode(), media_type(note.key, b"")).blocks
    found = [block.heading_path[-1] for block in blocks if block.kind == "heading" and block.heading_path]
    for expected in note.headings:
        agreement.count(tool, "heading", expected in found, note.key, expected, found)
    for heading in found:
        if heading not in note.headings:
            agreement.count(tool, "heading", False, note.key, "unexpected", heading)


def _compare_links(agreement: Agreement, tool: str, note: Note, document: Stored) -> None:
    for markup, target in note.links.items():
        found = {key for text, key in document.links if text and (text in markup or markup in text)}
        agreement.count(tool, "link", found - {None} == {target} - {None}, note.key, markup, target, found)
    for text, key in document.links:
        if key is not None and not any(text in markup or markup in text for markup in note.links):
            agreement.count(tool, "link", False, note.key, "unexpected", text, key)


def _compare_chunks(agreement: Agreement, tool: str, note: Note, document: Stored) -> None:
    prose = set(note.prose)
    quoted: set[str] = set()
    for start, end, heading_path, markup, table_header in document.chunks:
        text = excerpt(document.text[start:end], markup, table_header)
        words = set(re.findall(r"[^\W\d_]+", text.lower()))
        agreement.count(tool, "chunk", not words.isdisjoint(VISIBLE), note.key, text[:200])
        passage = _passage(document, start, end, heading_path, text)
        here = [sentence for sentence in note.prose if sentence in text]
        for question in [_UNRELATED, *here]:
            for quotation in _quotations(question, passage):
                quoted.add(" ".join(quotation.split()))
        for heading in heading_path:
            agreement.count(tool, "quotation", "zq" not in heading, note.key, heading)
    for sentence in prose:
        agreement.count(tool, "prose", any(sentence in quotation for quotation in quoted), note.key, sentence)
    for quotation in sorted(quoted):
        shown = _LINK.sub(r"\1", _EMPHASIS.sub("", quotation))
        is_plain = _PLAIN.fullmatch(shown) is not None and "zq" not in shown
        agreement.count(tool, "quotation", is_plain, note.key, quotation)


def _quotations(question: str, passage: Passage) -> Iterator[str]:
    """Yield what the extractive model quotes of a passage, without blocks of code."""
    pieces = Extractive().answer(ModelInput(question, question, (), [passage]))
    answer = "".join(piece for piece in pieces if isinstance(piece, str)).removeprefix(INTRODUCTION)
    for quote in answer.split(" [1]\n\n"):
        text = "\n".join(line.removeprefix("> ").removeprefix(">") for line in quote.split("\n"))
        yield _FENCED.sub("", text.replace("[1]", "")).strip()


def _passage(document: Stored, start: int, end: int, heading_path: list[str], shown: str) -> Passage:
    return Passage(
        document_id=uuid.UUID(int=0),
        key=document.key,
        title=document.title,
        url=None,
        media_type="text/markdown",
        heading_path=heading_path,
        text=document.text[start:end],
        excerpt=shown,
        start=start,
        end=end,
        score=1.0,
        similarity=None,
        overlap=1.0,
        relevant=True,
    )
