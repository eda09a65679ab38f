"""Continue an incomplete answer: find where to continue, and the passages that it was written from. Pure."""

import re
import uuid
from collections.abc import Generator, Iterable, Sequence

from functions.chat.answers.pieces import Piece
from functions.chat.retrieval.attached import FilePassage
from functions.chat.retrieval.search import Passage
from functions.chat.streams.ui_message_stream import SourcePart, StoredPart, WebCitation, WebSourcePart
from functions.chat.web.ranking import Evidence, WebPassage

_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)
_WITHOUT_SPACES = "[\u0e00-\u0eff\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]\\Z"
"""Compiled when it is first used: that takes 2 ms, which a cold start would wait for."""
_WHOLE = re.compile(r"[^\w]\Z")
MAX_WORD_CHARS = 40


def resume_point(text: str) -> tuple[str, str]:
    """Return the text of an incomplete answer that is kept, and what separates it from the rest.

    A word or a line of code may have been cut in the middle, so the last one is written again:
    `resume_point("Install it with pi") == ("Install it with", " ")`.
    """
    if len(_FENCE.findall(text)) % 2:
        kept, newline, _ = text.rpartition("\n")
        return (kept, newline) if newline else ("", "")
    kept = text.rstrip()
    if kept != text and "\n" in text[len(kept) :]:
        return kept, text[len(kept) :]
    if re.search(_WITHOUT_SPACES, kept):
        return kept, ""
    if kept != text or _WHOLE.search(kept):
        return kept, " "
    start = max(kept.rfind(" "), kept.rfind("\n"))
    if len(kept) - start > MAX_WORD_CHARS:
        return kept, ""
    return (kept[:start].rstrip(), kept[len(kept[:start].rstrip()) : start + 1]) if start >= 0 else ("", "")


def join_pieces(pieces: Iterable[Piece], separator: str) -> Generator[Piece, None, None]:
    """Yield a model's pieces, the first text after the separator unless it begins with a space or line break itself."""
    is_first = True
    for piece in pieces:
        if is_first and isinstance(piece, str) and piece:
            is_first = False
            yield piece if piece[0].isspace() else separator + piece
        else:
            yield piece


def evidence_of(parts: Sequence[StoredPart]) -> list[Evidence]:
    """Return the passages of a stored answer in the order of their numbers."""
    sources = [part for part in parts if isinstance(part, SourcePart | WebSourcePart)]
    return [_evidence(part) for part in sorted(sources, key=lambda part: int(part.source_id))]


def _evidence(part: SourcePart | WebSourcePart) -> Evidence:
    place = part.provider_metadata.headwater
    if isinstance(place, WebCitation):
        assert isinstance(part, WebSourcePart)
        return WebPassage(
            url=part.url,
            title=part.title,
            heading_path=place.heading_path,
            text=place.text,
            start=place.start,
            end=place.end,
            score=1.0,
            similarity=None,
            overlap=1.0,
            relevant=True,
        )
    assert isinstance(part, SourcePart)
    kind = FilePassage if place.conversation_file else Passage
    return kind(
        document_id=uuid.UUID(place.document_id),
        key=part.filename,
        title=part.title,
        url=place.url,
        media_type=part.media_type,
        heading_path=place.heading_path,
        text=place.text,
        excerpt=place.text,
        page=place.page,
        start=place.start,
        end=place.end,
        score=1.0,
        similarity=None,
        overlap=1.0,
        relevant=True,
    )
