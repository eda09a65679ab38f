"""Compose an answer: search, keep the relevant passages, ask the model, check its citations.

Stores and sends nothing; `streams.writer` does.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import msgspec

from functions.chat.answers.answer_parts import UNSTORABLE, AnswerParts
from functions.chat.answers.continuation import join_pieces, resume_point
from functions.chat.answers.evidence import Mode, gather_from_web, nothing_found, rank_attached, source_part
from functions.chat.answers.grounding import check_grounding
from functions.chat.answers.links import LinkFilter, addresses_in
from functions.chat.answers.pieces import split_thoughts
from functions.chat.answers.prompt import (
    CallerInput,
    ChatModel,
    ModelInput,
    ModelMisconfigured,
    Turn,
)
from functions.chat.answers.token_batches import batch_tokens
from functions.chat.answers.understanding.intent import (
    Intent,
    last_question,
    reply_without_model,
    retrieval_query,
    understand,
)
from functions.chat.answers.understanding.translation import translate
from functions.chat.changes.passages import Changed, changed_passages
from functions.chat.retrieval.attached import FileSearch
from functions.chat.retrieval.search import Passage, Search
from functions.chat.retrieval.support import Support
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.ui_message_stream import (
    Declined,
    DeclinedPart,
    FinishReason,
    ModelName,
    ModelPart,
    Part,
    Start,
    TextDelta,
    TextEnd,
    TextStart,
)
from functions.chat.streams.writer import AnswerCut
from functions.chat.web.ranking import Evidence
from functions.chat.web.research import Request, Research
from headwater import tracing
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.filters.tree import Filter
from headwater.usage.record import Payer

PASSAGES = 8
"""Passages that a model is given, at most."""

MODEL_UNAVAILABLE = "The language model can't be used at the moment. Tell an owner of this workspace."


class Question(msgspec.Struct, frozen=True):
    """A question with the conversation before it, and the answer to write."""

    answer: AnswerKey
    text: str
    history: Sequence[Turn]
    is_owner: bool
    """Whether the caller is told which settings to change."""
    half_life_days: float | None = None
    """Prefers recent documents (`Search`)."""
    filter: Filter | None = None
    """Which documents the answer is from."""
    mode: Mode = "documents"
    payer: Payer | None = None
    """Whose usage the searches of the web are."""
    caller: CallerInput = CallerInput()
    may_have_files: bool = True
    """Whether the conversation's own files are searched, too."""
    begun: str = ""
    """The text of an incomplete answer, which this one begins with and continues from the same passages, `evidence`."""
    evidence: Sequence[Evidence] = ()
    new_title: str = ""
    """The title of the conversation if this is its first question, for a language model to replace."""
    instructions: str = ""
    """The workspace's own instructions for the model."""
    changed: Changed | None = None
    """The documents whose changes a standing question is about: all passages are theirs."""


class Sources(NamedTuple):
    """What answers are from: documents, the files of the conversation, the web. `support` compares answers with it."""

    search: Search
    files: FileSearch
    research: Research
    support: Support


def opening(answer: AnswerKey, model: ChatModel) -> list[Part]:
    """Return the first parts of an answer, which are known before the search."""
    return [Start(str(answer.id)), ModelPart(ModelName(model.name, model.configured))]


def compose(
    question: Question, sources: Sources, model: ChatModel, timeout_s: float
) -> Generator[list[Part], None, None]:
    """Yield the parts of an answer in groups, after its `opening`. An empty group means that there is nothing new yet.

    Nothing is searched for if the message needs no passages ("Thanks!", "Summarise that."). If no passage is relevant,
    and the documents may be in another language, the question is translated. If there still is none, a language model
    is called only in a conversation, whose text may be enough, or with the caller's tools. In a conversation it gets
    the passages of the previous question.

    Raises AnswerCut if the model stops early, UpstreamError if it takes longer than `timeout_s` or returns no text, and
    passes on every other error.
    """
    model.warm()
    first = ModelName(model.name, model.configured)
    has_tools = model.configured and bool(question.caller.tools or question.caller.rounds)
    begun, separator = resume_point(question.begun) if model.configured else ("", "")
    intent = yield from _understand(question, model, has_tools=has_tools or bool(begun))
    passages = question.evidence
    if not begun:
        passages, query = yield from _gather(question, sources, model, intent)
        intent = intent._replace(query=query)
    if not passages and not has_tools and not begun and not _can_do_without(question, model, intent):
        text: list[Part] = [TextStart(), TextDelta(delta=_without_passages(question, intent)), TextEnd()]
        yield [*_declined(question, intent), *text]
        return
    model_input = ModelInput(
        question.text, intent.query, question.history, passages, question.caller, begun, question.instructions
    )
    pieces = split_thoughts(tracing.trace_pieces(model.answer(model_input), model.name))
    parts = AnswerParts(len(passages), _known_addresses(question, passages), first, has_tools=has_tools)
    pieces = join_pieces(pieces, separator) if begun else pieces
    with closing(batch_tokens(pieces, timeout_s=timeout_s)) as groups:
        next(groups)  # asks the model, while the passages are stored and sent
        yield [source_part(n, passage) for n, passage in enumerate(passages, start=1)]
        if begun:
            yield list(parts.add(begun))
        try:
            for group in groups:
                yield [part for piece in group for part in parts.add(piece)] or parts.silent()
        except ModelMisconfigured as error:
            raise error if question.is_owner else PermanentError(MODEL_UNAVAILABLE) from error
    yield parts.end()
    if parts.has_calls and parts.reason == "tool-calls":
        return
    if not parts.has_text:
        raise _no_text(parts.reason)
    if model.configured and (
        weak := check_grounding(parts.text, passages, sources.support, question.answer.workspace_id)
    ):
        yield weak
    if parts.reason != "stop":
        raise AnswerCut(parts.reason, _NOTICES.get(parts.reason, _NOTICES["other"]))


def _understand(question: Question, model: ChatModel, *, has_tools: bool) -> Generator[list[Part], None, Intent]:
    """Return what the question needs. With the caller's tools, or to continue an answer, the model isn't asked."""
    if question.changed:
        return Intent(True, question.changed.query)
    if has_tools:
        return Intent(True, retrieval_query(question.text, question.history))
    return (yield from understand(question.text, question.history, model))


def _gather(
    question: Question, sources: Sources, model: ChatModel, intent: Intent
) -> Generator[list[Part], None, tuple[Sequence[Evidence], str]]:
    """Return the passages that the answer may cite, and what was searched for."""
    query = intent.query
    if not intent.needs_passages:
        return [], query
    if question.changed:
        return changed_passages(sources.search, question.answer.workspace_id, question.changed), query
    with_files = partial(_with_files, sources, question, query, with_beginnings=model.configured)
    if question.mode == "documents":
        found = _search(sources.search, question, query)
        passages = with_files(_relevant(found))
        if not passages and model.configured:
            return (yield from _look_again(question, sources.search, model, query, found))
        return passages, query

    def find() -> Sequence[Passage]:
        return with_files([] if question.mode == "web" else _relevant(_search(sources.search, question, query)))

    answer = question.answer
    is_local = question.mode == "both" or (
        question.may_have_files and sources.files.has_files(answer.workspace_id, answer.conversation_id)
    )
    request = Request(
        answer.workspace_id, " ".join(query.split()), PASSAGES, find if is_local else None, question.payer
    )
    return (yield from gather_from_web(sources.research, request, is_owner=question.is_owner)), query


def _look_again(
    question: Question, search: Search, model: ChatModel, query: str, nearest: Sequence[Passage]
) -> Generator[list[Part], None, tuple[Sequence[Evidence], str]]:
    """Search for the question in the language of the nearest passages, none of which is relevant.

    Then, in a conversation, for the question before it.
    """
    if translated := (yield from translate(query, [passage.excerpt for passage in nearest], model)):
        query = f"{query}\n{translated}"
        if passages := _relevant(_search(search, question, translated)):
            return passages, query
    if question.history:
        return _relevant(_search(search, question, last_question(question.history))), query
    return [], query


def _with_files(
    sources: Sources, question: Question, query: str, documents: Sequence[Passage], *, with_beginnings: bool
) -> Sequence[Passage]:
    """Return the best passages of the documents and of the conversation's files."""
    if not question.may_have_files:
        return documents
    attached = sources.files(question.answer.workspace_id, question.answer.conversation_id, query)
    return rank_attached(documents, attached, PASSAGES, with_beginnings=with_beginnings)


def _known_addresses(question: Question, passages: Sequence[Evidence]) -> list[str]:
    """Return the addresses that the answer may link to: of the passages, and of what the person has written."""
    own = [question.text, *(turn.text for turn in question.history if turn.role == "user")]
    return [*(passage.url for passage in passages if passage.url), *(url for text in own for url in addresses_in(text))]


def _can_do_without(question: Question, model: ChatModel, intent: Intent) -> bool:
    """Return True if the model may answer without passages: small talk, in a conversation, or about removals."""
    return model.configured and bool(question.history or question.changed or not intent.needs_passages)


def _declined(question: Question, intent: Intent) -> list[Part]:
    """Return the part of a question that is declined. Small talk is not."""
    query = " ".join(UNSTORABLE.sub(" ", intent.query).split())
    return [DeclinedPart(Declined(query, question.mode))] if intent.needs_passages else []


def _without_passages(question: Question, intent: Intent) -> str:
    query = intent.query
    if not intent.needs_passages:
        return reply_without_model(question.text)
    links = LinkFilter(_known_addresses(question, ()))  # a model may have written the query
    text = nothing_found(question.mode, query, is_filtered=question.filter is not None)
    return links.feed(text) + links.finish()


def _search(search: Search, question: Question, query: str) -> list[Passage]:
    return search(
        question.answer.workspace_id,
        query,
        PASSAGES,
        document_filter=question.filter,
        half_life_days=question.half_life_days,
    )


def _relevant(passages: Sequence[Passage]) -> list[Passage]:
    return [passage for passage in passages if passage.relevant]


_NOTICES: Mapping[FinishReason, str] = {
    "length": "The model stopped at its length limit, so this answer is incomplete. Ask for the rest, or ask for less.",
    "content-filter": "The model's content filter stopped this answer, so it is incomplete. Ask in other words.",
    "other": "The model stopped before this answer was complete. Ask again.",
}


def _no_text(reason: FinishReason) -> HeadwaterError:
    if reason == "length":
        return UpstreamError("The model reached its length limit before it wrote an answer. Ask a simpler question.")
    if reason == "content-filter":
        return PermanentError("The model's content filter refused to answer this question. Ask in other words.")
    return UpstreamError("The model returned an empty answer. Try again.")
