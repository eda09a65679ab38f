"""The tool contract: arguments are checked, results are JSON and limited."""

import datetime as dt
import uuid
from typing import Annotated, Any

import msgspec
import pytest

from headwater.errors import PermanentError, UnprocessableContent
from headwater.tools import MAX_RESULT_BYTES, Tool, ToolContext, describe_tool, run_tool

CONTEXT = ToolContext(
    workspace_id=uuid.UUID(int=1), caller="ada", settings={}, blob_url="", blob_prefix="", allow_private=False
)


class Repeat(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(description="What is repeated.")]
    times: Annotated[int, msgspec.Meta(ge=1)] = 1


class Repeater(Tool[Repeat]):
    name = "repeat"
    description = "Repeats a text."
    arguments_type = Repeat

    def run(self, context: ToolContext, arguments: Repeat) -> Any:
        return {"text": arguments.text * arguments.times, "on": dt.date(2026, 1, 2), "by": context.caller}


def test_description_has_the_schema_of_the_arguments() -> None:
    description = describe_tool(Repeater)
    assert (description.name, description.description) == ("repeat", "Repeats a text.")
    assert description.arguments_schema["properties"]["text"] == {
        "type": "string",
        "description": "What is repeated.",
    }


def test_result_is_json() -> None:
    assert run_tool(Repeater(), CONTEXT, {"text": "ab", "times": 2}) == {
        "text": "abab",
        "on": "2026-01-02",
        "by": "ada",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "missing required field `text`"),
        ({"text": 1}, r"\$\.text"),
        ({"text": "a", "times": 0}, r">= 1.*\$\.times"),
        ({"text": "a", "loud": True}, "unknown field `loud`"),
        ("a", "Expected `object`"),
    ],
)
def test_invalid_arguments_are_refused_with_the_field(arguments: object, message: str) -> None:
    with pytest.raises(UnprocessableContent, match=f"Invalid arguments for repeat: .*{message}"):
        run_tool(Repeater(), CONTEXT, arguments)


def test_result_over_the_limit_is_refused() -> None:
    with pytest.raises(PermanentError, match="more than the limit of 256,000"):
        run_tool(Repeater(), CONTEXT, {"text": "a", "times": MAX_RESULT_BYTES})
