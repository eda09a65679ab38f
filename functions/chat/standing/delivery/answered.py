"""The content of a delivered answer: its text, the sources that it cites, and links to the web app. Pure."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_CITATION = re.compile(r"\[(\d{1,4})\]")


class CitedSource(msgspec.Struct, frozen=True):
    """A source that the text cites as `[n]`. `url` is that of the original, `document_id` null for a web page."""

    n: int
    title: str
    url: str | None
    document_id: str | None
    app_url: str | None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a standing question, as it is sent. `app_url` opens its conversation."""

    run_id: uuid.UUID
    question_id: uuid.UUID
    name: str
    question: str
    text: str
    notice: str | None
    sources: Sequence[CitedSource]
    conversation_id: str
    message_id: uuid.UUID
    app_url: str | None
    settings_url: str | None


def read_answered(row: Any, app_url: str) -> Answered:
    """Return the answer of a delivery (`standing_runs.take_delivery`). `app_url`: of the web app, may be empty."""
    base = app_url.rstrip("/")
    text = _text(row.parts)
    cited = {int(n) for n in _CITATION.findall(text)}
    return Answered(
        run_id=row.id,
        question_id=row.question_id,
        name=row.name,
        question=_text(row.asked or []),
        text=text,
        notice=row.notice,
        sources=[source for part in row.parts if (source := _source(part, base)) and source.n in cited],
        conversation_id=row.conversation_id,
        message_id=row.answer_id,
        app_url=f"{base}/chat/{row.conversation_id}" if base else None,
        settings_url=f"{base}/standing-questions" if base else None,
    )


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(part["text"] for part in parts if part["type"] == "text")


def _source(part: Mapping[str, Any], base: str) -> CitedSource | None:
    if part["type"] not in ("source-document", "source-url") or not str(part.get("sourceId", "")).isdigit():
        return None
    n = int(part["sourceId"])
    if part["type"] == "source-url":
        return CitedSource(n, part["title"], part["url"], None, None)
    citation = part["providerMetadata"]["headwater"]
    document_id = citation["documentId"]
    link = f"{base}/documents/{document_id}?start={citation['start']}&end={citation['end']}" if base else None
    return CitedSource(n, part["title"] or part["filename"], citation.get("url"), document_id, link)
