"""Answering: a question flows in, the parts of its answer flow out as they come to be.

search → relevant passages → model → checked citations. Nothing is stored or sent here: `write` does both.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import msgspec

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.prompt import Asked, Turn, retrieval_query
from functions.chat.models.models import ChatModel
from functions.chat.models.token_batches import pump
from functions.chat.retrieval.search import Passage, Search, is_relevant
from functions.chat.streams.message_log import Answer
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
"""How many passages a model reads at most."""

NOTHING_FOUND = (
    "Nothing in the collected documents bears on this question. "
    "Try the words that the documents would use, or add a source that covers it."
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Task(msgspec.Struct, frozen=True):
    """An answer that is to be written."""

    answer: Answer
    question: str
    history: Sequence[Turn]


def compose(task: Task, search: Search, model: ChatModel, timeout_s: float) -> Generator[list[Part], None, None]:
    """Yield the parts of an answer in groups; an empty group is a sign of life while the model is silent.

    Raises whatever goes wrong, UpstreamError when the model takes longer than `timeout_s`. Without a passage that bears
    on the question the model isn't asked.
    """
    yield [Start(str(task.answer.id)), ModelPart(ModelName(model.name, model.configured))]
    query = retrieval_query(task.question, task.history)
    passages = [passage for passage in search(task.answer.workspace_id, query, PASSAGES) if is_relevant(passage)]
    if not passages:
        yield [TextStart(), TextDelta(delta=NOTHING_FOUND), TextEnd()]
        return
    yield [_source(n, passage) for n, passage in enumerate(passages, start=1)]
    citations = CitationFilter(range(1, len(passages) + 1))
    pieces = model.answer(Asked(task.question, query, task.history, passages))
    begun = False
    with closing(pump(pieces, timeout_s=timeout_s)) as groups:
        for text in _check(groups, citations):
            yield ([TextDelta(delta=text)] if begun else [TextStart(), TextDelta(delta=text)]) if text else []
            begun = begun or bool(text)
    if not begun:
        raise UpstreamError("The model gave no answer at all. Ask again.")
    yield [TextEnd()]


def _check(groups: Iterable[str], citations: CitationFilter) -> Iterator[str]:
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
