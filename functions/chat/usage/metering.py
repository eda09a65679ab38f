"""Meter a chat model: record what each call used and cost, against a reservation of the budget."""

import uuid
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import msgspec

from functions.chat.answers.pieces import Finish, Piece, Thought, ToolCall, Used, Using
from functions.chat.answers.prompt import CallerInput, ChatModel, ModelInput, Turn, build_messages
from headwater import logs
from headwater.database.transactions import Database
from headwater.errors import HeadwaterError
from headwater.usage.budgets import release
from headwater.usage.prices import Prices
from headwater.usage.record import Payer, Tokens, record_usage

CHARS_PER_TOKEN = 4
"""Estimates the tokens of an answer that the provider didn't count, such as one that was stopped."""

PASSAGE_TOKENS, ANSWER_TOKENS = 6_000, 1_500
"""Estimate of what the passages and the answer of a question have, before they are known."""


def estimate(question: str, history: Sequence[Turn], added: CallerInput) -> Tokens:
    """Estimate the tokens of a question's answer."""
    chars = len(question) + sum(len(turn.text) for turn in history) + added_chars(added)
    return Tokens(input=chars // CHARS_PER_TOKEN + PASSAGE_TOKENS, output=ANSWER_TOKENS)


def added_chars(added: CallerInput) -> int:
    """Return the number of characters that a program adds to a question: instructions, tools and calls of them."""
    calls = sum(len(turn.text) + sum(len(call.arguments) for call in turn.calls) for turn in added.rounds)
    return len(added.instructions) + calls + (len(msgspec.json.encode(added.tools)) if added.tools else 0)


class MeteredModel:
    """A chat model whose calls are recorded as a payer's."""

    def __init__(
        self, model: ChatModel, database: Database, prices: Prices, payer: Payer, reservation: uuid.UUID | None
    ) -> None:
        self.model = model
        self._database = database
        self._prices = prices
        self._payer = payer
        self._reservation = reservation
        self._has_begun = False
        self.used = Tokens()
        """What the answer used, once it has ended."""
        self._last_used = Tokens()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def configured(self) -> bool:
        """Whether this is a language model."""
        return self.model.configured

    def warm(self) -> None:
        """Warm the model."""
        self.model.warm()

    def answer(self, model_input: ModelInput) -> Generator[Piece, None, None]:
        """Yield the pieces of an answer. What was used is recorded at its end, even if it fails or is closed."""
        self._has_begun = True
        chars = sum(len(turn.text) for turn in build_messages(model_input)) + added_chars(model_input.caller)
        yield from self._meter(self.model.answer(model_input), chars, is_answer=True)

    def stream(self, turns: Sequence[Turn], /) -> Generator[Piece, None, None]:
        """Yield a short reply to other messages for the same answer, such as its title. It is recorded, too."""
        yield from self._meter(self.model.stream(turns), sum(len(turn.text) for turn in turns), is_answer=False)

    def write_json(self, turns: Sequence[Turn], schema: Mapping[str, Any], /) -> Generator[Piece, None, None]:
        """Yield JSON text by a schema. Each call is recorded and added to `used`; `close` removes the reservation."""
        before, chars = self.used, sum(len(turn.text) for turn in turns) + len(msgspec.json.encode(schema))
        try:
            yield from self._meter(self.model.write_json(turns, schema), chars, is_answer=False)
        finally:
            both = zip(msgspec.structs.astuple(before), msgspec.structs.astuple(self._last_used), strict=True)
            self.used = Tokens(*(one + other for one, other in both))

    def _meter(
        self, pieces: Generator[Piece, None, None], sent_chars: int, *, is_answer: bool
    ) -> Generator[Piece, None, None]:
        """Yield the pieces of a call, and record what it used. The reservation is kept until the answer ends."""
        used: Used | None = None
        model, chars, has_failed = self.model.name, 0, False
        try:
            for piece in pieces:
                match piece:
                    case Used():
                        used = piece
                        continue
                    case Using():
                        model = piece.model
                    case _:
                        chars += _chars(piece)
                yield piece
        except HeadwaterError:
            has_failed = True
            raise
        finally:
            # A provider charges for the prompt of an answer that is stopped, even before its first token.
            if used is None and self.configured and (chars or not has_failed):
                used = Used(model, Tokens(sent_chars // CHARS_PER_TOKEN, output=chars // CHARS_PER_TOKEN))
            self._last_used = used.tokens if used else Tokens()
            if is_answer:
                self.used = self._last_used
            self._settle(used or (Used(model, Tokens()) if chars else None), is_answer=is_answer)

    def close(self) -> None:
        """Remove the reservation, unless a call has begun; that one removes it when it ends."""
        if not self._has_begun:
            self._settle(None, is_answer=True)

    def _settle(self, used: Used | None, *, is_answer: bool) -> None:
        """Record what was used and, at an answer's end, remove the reservation. Failures are logged."""
        reservation = self._reservation if is_answer else None
        if used is None and reservation is None:
            return
        try:
            with self._database.transaction(self._payer.workspace_id) as tx:
                if used:
                    record_usage(tx, self._prices, self._payer, kind="chat", model=used.model, tokens=used.tokens)
                if reservation:
                    release(tx, self._payer.workspace_id, reservation)
        except HeadwaterError as error:
            logs.event("usage.not_recorded", severity=40, error=error)
        if is_answer:
            self._reservation = None


def _chars(piece: str | Thought | ToolCall | Finish) -> int:
    match piece:
        case str():
            return len(piece)
        case Thought():
            return len(piece.text)
        case ToolCall():
            return len(piece.arguments)
    return 0
