"""The model's turns of an agent: call it within limits and budgets, record what it used, write its text to the log.

Imports LangChain: import it when an agent runs.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

import msgspec
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, message_chunk_to_message
from langchain_core.messages import ToolCall as LangChainCall
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from sqlalchemy.engine import Connection

from functions.chat.agents import answer_log, store
from functions.chat.agents.limits import Limits, conclusion
from functions.chat.agents.limits import Used as LimitsUsed
from functions.chat.agents.store import Agent
from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.links import LinkFilter
from functions.chat.answers.pieces import Piece, Thought, Used, Using, split_thoughts
from functions.chat.answers.prompt import Tool
from functions.chat.models.chunks import ChunkReader
from functions.chat.models.fallback import FallbackModel
from functions.chat.models.language_model import LanguageModel
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import Part, TextDelta, TextEnd, TextStart
from functions.chat.tools.text import clean
from functions.chat.usage.metering import CHARS_PER_TOKEN
from headwater.database.transactions import Database
from headwater.errors import UpstreamError
from headwater.outbound.deadline import while_wanted, within
from headwater.usage.budgets import release, reserve
from headwater.usage.prices import Prices
from headwater.usage.record import Tokens, cost_of, record_usage

ANSWER_TOKENS = 1_500
SETTLE_S = 60.0
MAX_TURN_CHARS = 200_000
"""Characters of a turn's text that are stored, at most."""


MAX_ID_CHARS = 200
NO_JSON = "no JSON object"
"""The name of the argument that has what a model sent in place of a JSON object."""


class _Chunks(ChunkReader):
    """Reads the chunks of a turn, and keeps them: providers want their own parts back with the next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[AIMessageChunk] = []

    def read(self, chunk: AIMessageChunk) -> Iterator[str | Thought]:
        """Yield a chunk's thoughts and text."""
        self.received.append(chunk)
        return super().read(chunk)

    def message(self) -> AIMessage:
        """Return the whole turn."""
        if not self.received:
            return AIMessage("")
        chunk = reduce(add, self.received)
        whole = message_chunk_to_message(chunk)
        assert isinstance(whole, AIMessage)
        return whole.model_copy(update={"tool_calls": _calls(chunk), "invalid_tool_calls": []})


class Turns:
    """Calls the models of one agent and writes its turns."""

    ids_are_own = False
    """Whether all calls get new ids, as a sub-agent's: they must differ from those of the others."""

    def __init__(
        self,
        database: Database,
        agent: Agent,
        model: LanguageModel | FallbackModel,
        *,
        prices: Prices,
        limits: Limits,
        timeout_s: float,
    ) -> None:
        self._database = database
        self._agent = agent
        self._model = model
        self._prices = prices
        self._limits = limits
        self._timeout_s = timeout_s

    def call(self, messages: Sequence[BaseMessage], tools: Sequence[Tool]) -> AIMessage:
        """Return the next turn. At a limit, the model is told to answer, and its calls of tools are dropped.

        Raises BudgetExceeded, errors of the models, AnswerEnded if the answer was stopped, and LeaseLost.
        """
        sent = sum(len(str(message.content)) for message in messages) // CHARS_PER_TOKEN
        with self._transaction() as tx:
            used, stopping = self.read_used(tx)
            stopping = stopping or self._limits.reached(used)
            estimated = cost_of(self._prices, self._model.name, Tokens(input=sent, output=ANSWER_TOKENS))
            reservation = reserve(tx, self._agent.task.payer, estimated, for_s=self._timeout_s + SETTLE_S)
        if stopping:
            messages = [*messages, HumanMessage(conclusion(stopping))]
        readers: list[_Chunks] = []
        tokens, name = Used(self._model.name, Tokens()), self._model.name
        try:
            with within(self._timeout_s), while_wanted(self._is_wanted):
                for piece in self._model.stream_messages(list(messages), tools, lambda: _add(readers, _Chunks())):
                    match piece:
                        case Using():
                            name = piece.model
                        case Used():
                            tokens = piece
        finally:
            if readers and not tokens.tokens.output:
                tokens = Used(name, Tokens(sent, output=readers[-1].chars // CHARS_PER_TOKEN))
            self._settle(tokens if readers else None, reservation, stopping)
        message = _with_own_ids(readers[-1].message(), messages, replace_all=self.ids_are_own)
        message = message.model_copy(update={"tool_calls": []}) if stopping else message
        if not stopping and not message.tool_calls and not str(message.text).strip():
            with self._transaction() as tx:
                store.lock(tx, self._agent)  # the stream also ends if the answer was stopped, or is another step's
            raise UpstreamError("The model returned an empty answer. Try again.")
        return message

    def write(self, tx: Connection, messages: Sequence[BaseMessage]) -> None:
        """Append the text of turns that are not in the log yet."""
        row = store.lock(tx, self._agent)
        turns = [message for message in messages if isinstance(message, AIMessage)]
        # The first messages are of the conversation before.
        turns = turns[sum(turn.role == "assistant" for turn in self._agent.task.turns) :]
        parts: list[Part] = []
        known = answer_log.linkable_addresses(tx, self._agent) if len(turns) > row.turns else []
        for n, turn in enumerate(turns[row.turns :], start=row.turns + 1):
            if text := _text(turn, row.passages, known):
                id_ = f"t{n}"
                parts += [TextStart(id=id_), TextDelta(id=id_, delta=text), TextEnd(id=id_)]
        if len(turns) > row.turns:
            message_log.append(tx, self._agent.answer, parts)
            store.set_turns(tx, self._agent, len(turns))

    def read_used(self, tx: Connection) -> tuple[LimitsUsed, str]:
        """Return what the agent has used, and which limit it has reached before."""
        return store.read_used(tx, self._agent)

    def count(self, tx: Connection, tokens: int, cost: Any, stopping: str) -> None:
        """Count a call of the model."""
        store.count_model_call(tx, self._agent, tokens, cost, stopping)

    def _settle(self, used: Used | None, reservation: uuid.UUID | None, stopping: str) -> None:
        payer = self._agent.task.payer
        with self._transaction() as tx:
            if used:
                cost = record_usage(tx, self._prices, payer, kind="chat", model=used.model, tokens=used.tokens)
                total = used.tokens.input + used.tokens.output
                self.count(tx, total, cost, stopping)
            if reservation:
                release(tx, payer.workspace_id, reservation)

    def _is_wanted(self) -> bool:
        with self._transaction() as tx:
            return store.is_running(tx, self._agent)

    def _transaction(self) -> Any:
        return self._database.transaction(self._agent.answer.workspace_id)


def _add(readers: list[_Chunks], reader: _Chunks) -> _Chunks:
    readers.append(reader)
    return reader


def _text(turn: AIMessage, passages: int, known: Sequence[str]) -> str:
    """Return the text of a turn, with checked citations and links, and without thoughts."""
    pieces: Iterator[Piece] = split_thoughts([clean(str(turn.text), MAX_TURN_CHARS)])
    checked = CitationFilter(range(1, passages + 1))
    text = "".join(checked.feed(piece) for piece in pieces if isinstance(piece, str)) + checked.finish()
    links = LinkFilter(known)
    return (links.feed(text) + links.finish()).strip()


def _calls(chunk: AIMessageChunk) -> list[LangChainCall]:
    """Return the calls of a turn. LangChain completes JSON that was cut; here, it is an error that the model reads."""
    calls = []
    for call in chunk.tool_call_chunks:
        try:
            arguments = msgspec.json.decode(call["args"] or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            arguments = {NO_JSON: call["args"]}
        calls.append(tool_call(name=call["name"] or "", args=arguments, id=call["id"]))
    return calls or chunk.tool_calls


def _with_own_ids(message: AIMessage, before: Sequence[BaseMessage], *, replace_all: bool) -> AIMessage:
    """Return a turn whose calls have ids that no call before has, or new ones."""
    known = {call["id"] for each in before if isinstance(each, AIMessage) for call in each.tool_calls}
    calls = []
    for call in message.tool_calls:
        id_ = call["id"] or ""
        if replace_all or not id_ or id_ in known or len(id_) > MAX_ID_CHARS or not id_.isprintable():
            id_ = f"call_{uuid.uuid4().hex}"
        known.add(id_)
        calls.append(tool_call(name=call["name"], args=call["args"], id=id_))
    return message.model_copy(update={"tool_calls": calls})


class AgentModel(BaseChatModel):
    """LangChain's interface to the turns of an agent."""

    turn: Callable[[Sequence[BaseMessage], Sequence[Tool]], AIMessage]
    bound: Sequence[Tool] = ()

    @property
    def _llm_type(self) -> str:
        return "headwater"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Runnable[Any, AIMessage]:
        """Return a model that may call tools."""
        return self.model_copy(update={"bound": [convert_to_openai_tool(tool) for tool in tools]})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - the signature is LangChain's
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.turn(messages, self.bound))])
