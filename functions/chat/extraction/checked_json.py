"""Ask a model for a value as JSON: stream the text, check it against a schema, have it repaired once.

A model answers with an object whose field `value` is the value: providers take no schema of another type.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec

from functions.chat.answers.pieces import Finish, Piece, Using, split_thoughts
from functions.chat.answers.prompt import ChatModel, Turn
from functions.chat.answers.token_batches import batch_tokens
from functions.chat.extraction.json_text import MAX_CHARS, JsonText
from functions.chat.extraction.output_schema import OutputSchema
from headwater import tracing
from headwater.errors import PermanentError, UpstreamError

REPAIR = """\
This answer can't be used:

{errors}

Answer again with the whole JSON object, corrected."""


class Delta(msgspec.Struct, frozen=True, tag="delta", tag_field="type"):
    """More of the JSON text. Together, all since the last `restart` are the beginning of a valid JSON object."""

    delta: str


class Restart(msgspec.Struct, frozen=True, tag="restart", tag_field="type"):
    """The answer so far was invalid. The model writes it again, from the beginning."""

    errors: list[str]


class Checked(msgspec.Struct, frozen=True):
    """A model's answer, whose `value` matches the schema. `is_repaired`: its first answer did not."""

    answer: dict[str, Any]
    model: str
    is_repaired: bool


def object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties and no others."""
    required = list(properties)
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def ask_for_json(
    asked: Sequence[Turn], form: Mapping[str, Any], schema: OutputSchema, model: ChatModel, timeout_s: float
) -> Generator[list[Delta | Restart], None, Checked]:
    """Yield the JSON text while it is written, in groups, and return the answer. An empty group means nothing new.

    `form` is the schema that the model gets, `schema` that of the answer's `value`. Raises PermanentError if the answer
    can't be used after the repair, UpstreamError if it is cut off or takes longer than `timeout_s`, and what the model
    raises.
    """
    turns = list(asked)
    errors: list[str] = []
    for is_repair in (False, True):
        answer = _Answer(model.name)
        pieces = split_thoughts(tracing.trace_pieces(model.write_json(turns, form), model.name))
        yield from answer.read(pieces, timeout_s)
        decoded, errors = _decode(answer, schema)
        if not errors:
            return Checked(decoded, answer.model, is_repair)
        if not is_repair:
            yield [Restart(errors)]
            written = [Turn("assistant", answer.written)] if answer.written.strip() else []
            turns += [*written, Turn("user", REPAIR.format(errors="\n".join(f"- {error}" for error in errors)))]
    raise PermanentError(f"The model's answer doesn't match the schema, even after one correction: {'; '.join(errors)}")


class _Answer:
    """What a model writes at one attempt."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.json = JsonText()
        self.written = ""

    def read(self, pieces: Iterable[Piece], timeout_s: float) -> Generator[list[Delta | Restart], None, None]:
        """Yield the JSON text. Raises UpstreamError or PermanentError if the model ends early."""
        with closing(batch_tokens(pieces, timeout_s=timeout_s)) as groups:
            for group in groups:
                text = "".join(self._feed(piece) for piece in group)
                yield [Delta(text)] if text else []
                if len(self.written) >= MAX_CHARS:  # else the model ends soon, and tells what it used
                    return
        if text := self.json.finish():
            yield [Delta(text)]

    def _feed(self, piece: Piece) -> str:
        match piece:
            case Using():
                self.model = piece.model
            case Finish() if piece.reason == "content-filter":
                raise PermanentError("The model's content filter refused this request. Ask in other words.")
            case Finish() if piece.reason in ("length", "other"):
                raise UpstreamError("The model stopped before its answer was complete. Ask for fewer values.")
            case str():
                self.written = (self.written + piece)[:MAX_CHARS]
                return self.json.feed(piece)
        return ""


def _decode(answer: _Answer, schema: OutputSchema) -> tuple[dict[str, Any], list[str]]:
    """Return an answer as an object, and what is wrong with it."""
    if not answer.json.is_complete:
        too_long = len(answer.written) >= MAX_CHARS
        return {}, [f"It has more than {MAX_CHARS:,} characters." if too_long else "It is not one valid JSON object."]
    try:
        decoded = msgspec.json.decode(answer.json.text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        return {}, [f"It is no JSON object: {error}."]
    if "value" not in decoded:
        return {}, ["The field `value` is missing."]
    return decoded, schema.errors(decoded["value"])
