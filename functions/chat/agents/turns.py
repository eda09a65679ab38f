"""The model's turns of an agent: call it within limits and budgets, record what it used, log its text and thoughts.

The text is logged while the model writes it. Its end is logged in the transaction that stores the turn. So text without
an end belongs to a turn that was cut off, and the next step begins the log again without it.

Imports LangChain: import it when an agent runs.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import msgspec
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, message_chunk_to_message
from langchain_core.messages import ToolCall as LangChainCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from sqlalchemy.engine import Connection

from functions.chat.agents import answer_log, store
from functions.chat.agents.limits import Limits, conclusion
from functions.chat.agents.limits import Used as LimitsUsed
from functions.chat.agents.store import Agent
from functions.chat.answers.answer_parts import AnswerParts
from functions.chat.answers.pieces import Piece, Thought, Used, Using, split_thoughts
from functions.chat.answers.prompt import Tool
from functions.chat.answers.token_batches import batch_tokens
from functions.chat.models.chunks import ChunkReader
from functions.chat.models.fallback import FallbackModel
from functions.chat.models.language_model import LanguageModel
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import ModelName, Part
from functions.chat.usage.metering import CHARS_PER_TOKEN
from headwater.database.transactions import Database
from headwater.errors import UpstreamError
from headwater.usage.budgets import release, reserve
from headwater.usage.prices import Prices
from headwater.usage.record import Tokens, cost_of, record_usage

ANSWER_TOKENS = 1_500
SETTLE_S = 60.0
MAX_TURN_CHARS = 200_000
"""Characters of a turn's text and thoughts that are logged, at most."""
LOG_EVERY_S = 0.25
"""Seconds between two additions to the log while a model writes, at least."""

MAX_CHUNKS = 500
"""Chunks of a turn in memory, each of more than a kilobyte."""

MAX_ID_CHARS = 200
NO_JSON = "no JSON object"
"""The name of the argument that has what a model sent in place of a JSON object."""


class _Chunks(ChunkReader):
    """Reads the chunks of a turn, and adds them up: providers want their own parts back with the next turn."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: list[AIMessageChunk] = []
        self._received: list[AIMessageChunk] = []
        """Those since the last sum."""

    def read(self, chunk: AIMessageChunk) -> Iterator[str | Thought]:
        """Yield a chunk's thoughts and text."""
        self._received.append(chunk)
        if len(self._received) == MAX_CHUNKS:
            self._sums.append(add_ai_message_chunks(*self._received))
            self._received = []
        return super().read(chunk)

    def message(self) -> AIMessage:
        """Return the whole turn."""
        if not (chunks := [*self._sums, *self._received]):
            return AIMessage("")
        whole = add_ai_message_chunks(*chunks)
        message = message_chunk_to_message(whole)
        assert isinstance(message, AIMessage)
        return message.model_copy(update={"tool_calls": _calls(whole.tool_call_chunks)})


class _TurnLog:
    """The text and thoughts of one turn, as parts of the log."""

    def __init__(self, parts: AnswerParts) -> None:
        self._parts = parts
        self._left = MAX_TURN_CHARS
        self._end: list[Part] | None = None

    def read(self, pieces: Iterable[Piece]) -> list[Part]:
        """Return the parts of the next pieces."""
        return [part for piece in pieces for part in self._parts.add(self._cut(piece))]

    def end(self) -> list[Part]:
        """Return the last parts of the turn, whenever they are asked for."""
        self._end = self._parts.end() if self._end is None else self._end
        return self._end

    def _cut(self, piece: Piece) -> Piece:
        if not isinstance(piece, str | Thought):
            return piece
        text = (piece if isinstance(piece, str) else piece.text)[: self._left]
        self._left -= len(text)
        return text if isinstance(piece, str) else Thought(text)


class Turns:
    """Calls the models of one agent and writes its turns."""

    is_logged = True
    """Whether the log of the answer gets what the model writes."""
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
        self._before = sum(turn.role == "assistant" for turn in agent.task.turns)
        """Turns of the conversation before."""
        self._addresses = answer_log.LinkableAddresses(agent)
        self._logs: dict[int, _TurnLog] = {}
        """Of the turns for which this step has called the model, and that have text or thoughts, by number."""

    def call(self, messages: Sequence[BaseMessage], tools: Sequence[Tool], tool_choice: str = "") -> AIMessage:
        """Return the next turn. At a limit, the model is told to answer, and its calls of tools are dropped.

        `tool_choice` is that of `CallerInput`.

        Raises BudgetExceeded, errors of the models, AnswerEnded if the answer was stopped, and LeaseLost.
        """
        sent = sum(len(str(message.content)) for message in messages) // CHARS_PER_TOKEN
        with self._transaction() as tx:
            used, stopping = self.read_used(tx)
            stopping = stopping or self._limits.reached(used)
            estimated = cost_of(self._prices, self._model.name, Tokens(input=sent, output=ANSWER_TOKENS))
            reservation = reserve(tx, self._agent.task.payer, estimated, for_s=self._timeout_s + SETTLE_S)
        number = len(self._turns(messages)) + 1
        if stopping:
            messages = [*messages, HumanMessage(conclusion(stopping))]
        readers: list[_Chunks] = []
        tokens, name = Used(self._model.name, Tokens()), self._model.name
        pieces = self._model.stream_messages(list(messages), tools, lambda: _add(readers, _Chunks()), tool_choice)
        groups = batch_tokens(split_thoughts(pieces), timeout_s=self._timeout_s, group_s=LOG_EVERY_S)
        try:
            with closing(groups):
                for group in islice(groups, 1, None):  # the first one only says that the model is asked
                    if not group or any(map(self._is_shown, group)):
                        self._append(number, group)
                    for piece in group:
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
        """End the text of turns in the log. A turn whose step died before it had done so is written whole."""
        row = store.lock(tx, self._agent)
        parts: list[Part] = []
        turns = self._turns(messages)
        for number, turn in enumerate(turns[row.turns :], start=row.turns + 1):
            if number not in self._logs and str(turn.text):
                parts += self._new_log(tx, row, number).read(split_thoughts([str(turn.text)]))
            if log := self._logs.get(number):
                parts += log.end()
        if parts:
            message_log.append_locked(tx, self._agent.answer, parts)
            store.set_turns(tx, self._agent, len(turns))

    def end_text(self, messages: Sequence[BaseMessage]) -> None:
        """End the text of turns in a transaction of its own: their calls are of the next step."""
        with self._transaction() as tx:
            self.write(tx, messages)

    def read_used(self, tx: Connection) -> tuple[LimitsUsed, str]:
        """Return the agent's usage, and the limit that it has reached before."""
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

    def _turns(self, messages: Sequence[BaseMessage]) -> list[AIMessage]:
        return [message for message in messages if isinstance(message, AIMessage)][self._before :]

    def _is_shown(self, piece: Piece) -> bool:
        """Return whether the log may get parts from a piece."""
        return self.is_logged and (
            isinstance(piece, str | Thought) or (isinstance(piece, Using) and piece != Using(self._model.name))
        )

    def _new_log(self, tx: Connection, row: Any, number: int) -> _TurnLog:
        """Begin the log of a turn. `row`: the agent's, which is locked."""
        addresses, model = self._addresses.read(tx), ModelName(self._model.name, True)
        self._logs[number] = _TurnLog(
            AnswerParts(row.passages, addresses, model, text_id=f"t{number}", thoughts_id=f"r{number}.")
        )
        return self._logs[number]

    def _append(self, number: int, pieces: Sequence[Piece]) -> None:
        """Append to the log. Without pieces, too, raises AnswerEnded if the answer was stopped, and LeaseLost."""
        with self._transaction() as tx:
            row = store.lock(tx, self._agent)
            if pieces:
                log = self._logs.get(number) or self._new_log(tx, row, number)
                message_log.append_locked(tx, self._agent.answer, log.read(pieces))

    def _transaction(self) -> Any:
        return self._database.transaction(self._agent.answer.workspace_id)


def _add(readers: list[_Chunks], reader: _Chunks) -> _Chunks:
    readers.append(reader)
    return reader


def _calls(chunks: Sequence[Mapping[str, Any]]) -> list[LangChainCall]:
    """Return the calls of a turn. LangChain completes JSON that was cut; here, it is an error that the model reads."""
    calls = []
    for call in chunks:
        try:
            arguments = msgspec.json.decode(call["args"] or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            arguments = {NO_JSON: call["args"]}
        calls.append(tool_call(name=call["name"] or "", args=arguments, id=call["id"]))
    return calls


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
