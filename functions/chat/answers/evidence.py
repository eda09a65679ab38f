"""The evidence of an answer: passages of documents, of web pages, or of both, and the parts of the stream for them."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Literal

from msgspec import UNSET

from functions.chat.retrieval.attached import Attached, FilePassage
from functions.chat.retrieval.search import Passage
from functions.chat.streams.ui_message_stream import (
    Citation,
    Part,
    SourceMetadata,
    SourcePart,
    StagePart,
    WebCitation,
    WebMetadata,
    WebSourcePart,
)
from functions.chat.web.engines import SearchMisconfigured
from functions.chat.web.ranking import Evidence, Question, WebPassage, rank_evidence
from functions.chat.web.research import Request, Research
from headwater.errors import PermanentError

Mode = Literal["documents", "web", "both"]
"""Where an answer is from: the workspace's documents, the web, or both."""

MIN_BEGINNINGS = 2
"""Passages that the beginnings of a conversation's files have, at least."""

NO_ENGINE = "Answers from the web aren't set up here. Ask an owner of this workspace to do it, or ask your documents."
_NOTHING_FOUND = "I couldn't find anything about this {where}. I searched for:\n\n> {query}\n\n{advice}"


def gather_from_web(
    research: Research, request: Request, *, is_owner: bool
) -> Generator[list[Part], None, list[Evidence]]:
    """Yield the stages of a search of the web as parts, and return the best passages.

    Raises PermanentError if no search engine can be used; only owners are told which settings to change.
    """
    with closing(research.gather(request)) as stages:
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                found: list[Evidence] = end.value
                return found
            except SearchMisconfigured as error:
                raise error if is_owner else PermanentError(NO_ENGINE) from error
            yield [StagePart(stage.name, stage)] if stage else []


def rank_attached(
    documents: Sequence[Passage], attached: Attached, k: int, *, with_beginnings: bool
) -> Sequence[Passage]:
    """Return the `k` best passages of documents and of a conversation's files, best first.

    `with_beginnings`: if no passage of a file is relevant, as for "Summarise this file", the last are those at the
    beginnings of the files, at least MIN_BEGINNINGS.
    """
    if attached.relevant:
        question = Question(attached.words, attached.vector)
        found = rank_evidence(question, [], [*documents, *attached.relevant], k, per_owner=k)
        return [one for one in found if isinstance(one, Passage)]
    if not with_beginnings:
        return documents
    kept = documents[: k - min(len(attached.beginnings), MIN_BEGINNINGS)]
    return [*kept, *attached.beginnings[: k - len(kept)]]


def nothing_found(mode: Mode, query: str, *, is_filtered: bool) -> str:
    """Return the answer if nothing was found, which says what was searched for."""
    where, advice = _NOWHERE[mode]
    if mode == "documents" and is_filtered:
        where, advice = "in the documents that match the filter", "Change the filter, or ask without one."
    return _NOTHING_FOUND.format(where=where, query=" ".join(query.split()), advice=advice)


_NOWHERE: Mapping[Mode, tuple[str, str]] = {
    "documents": (
        "in your documents",
        "Try the words that the documents would use, in their language, or add a source that covers it.",
    ),
    "web": ("on the web", "Try other words."),
    "both": ("in your documents or on the web", "Try other words."),
}


def source_part(n: int, evidence: Evidence) -> Part:
    """Return the part for the passage that `[n]` cites."""
    return _web_source(n, evidence) if isinstance(evidence, WebPassage) else _document_source(n, evidence)


def _web_source(n: int, passage: WebPassage) -> WebSourcePart:
    citation = WebCitation(start=passage.start, end=passage.end, heading_path=passage.heading_path, text=passage.text)
    title = passage.title or passage.host
    return WebSourcePart(source_id=str(n), url=passage.url, title=title, provider_metadata=WebMetadata(citation))


def _document_source(n: int, passage: Passage) -> SourcePart:
    citation = Citation(
        document_id=str(passage.document_id),
        start=passage.start,
        end=passage.end,
        heading_path=passage.heading_path,
        url=passage.url,
        page=passage.page,
        text=passage.text,
        conversation_file=True if isinstance(passage, FilePassage) else UNSET,
    )
    return SourcePart(
        source_id=str(n),
        media_type=passage.media_type,
        title=passage.title or passage.key,
        filename=passage.key,
        provider_metadata=SourceMetadata(citation),
    )
