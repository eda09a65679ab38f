"""Compose an answer: search, keep the relevant passages, ask the model, check its citations.

Stores and sends nothing; `streams.writer` does.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import msgspec

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.prompt import ChatModel, ModelInput, Turn, retrieval_query
from functions.chat.answers.token_batches import batch_tokens
from functions.chat.retrieval.search import Passage, Search, is_relevant
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.ui_message_stream import (
    Citation,
    ModelName,
    ModelPart,
    Part,
    SourceMetadata,
    SourcePart,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
)
from headwater.errors import UpstreamError

PASSAGES = 8
"""Passages that a model is given, at most."""

NOTHING_FOUND = (
    "I couldn't find anything about this in your documents. "
    "Try the words that the documents would use, or add a source that covers it."
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Question(msgspec.Struct, frozen=True):
    """A question with the conversation before it, and the answer to write."""

    answer: AnswerKey
    text: str
    history: Sequence[Turn]


def compose(
    question: Question, search: Search, model: ChatModel, timeout_s: float
) -> Generator[list[Part], None, None]:
    """Yield the parts of an answer in groups. An empty group means that the model is still silent.

    If no passage is relevant, the model is not called. Raises UpstreamError if the model takes longer than `timeout_s`
    or returns nothing, and passes on every other error.
    """
    yield [Start(str(question.answer.id)), ModelPart(ModelName(model.name, model.configured))]
    query = retrieval_query(question.text, question.history)
    passages = [passage for passage in search(question.answer.workspace_id, query, PASSAGES) if is_relevant(passage)]
    if not passages:
        yield [TextStart(), TextDelta(delta=NOTHING_FOUND), TextEnd()]
        return
    yield [_source(n, passage) for n, passage in enumerate(passages, start=1)]
    citations = CitationFilter(range(1, len(passages) + 1))
    pieces = model.answer(ModelInput(question.text, query, question.history, passages))
    has_text = False
    with closing(batch_tokens(pieces, timeout_s=timeout_s)) as groups:
        for text in _filter(groups, citations):
            yield ([TextDelta(delta=text)] if has_text else [TextStart(), TextDelta(delta=text)]) if text else []
            has_text = has_text or bool(text)
    if not has_text:
        raise UpstreamError("The model returned an empty answer. Try again.")
    yield [TextEnd()]


def _filter(groups: Iterable[str], citations: CitationFilter) -> Iterator[str]:
    for group in groups:
        yield citations.feed(_UNSTORABLE.sub("", group))
    yield citations.finish()


def _source(n: int, passage: Passage) -> SourcePart:
    citation = Citation(
        document_id=str(passage.document_id),
        start=passage.start,
        end=passage.end,
        heading_path=passage.heading_path,
        url=passage.url,
        text=passage.text,
    )
    return SourcePart(
        source_id=str(n),
        media_type=passage.media_type,
        title=passage.title or passage.key,
        filename=passage.key,
        provider_metadata=SourceMetadata(citation),
    )
