"""The box of tools: errors become results, results are bounded."""

import uuid
from typing import Any

import msgspec
import pytest

from functions.chat.tools.text import MAX_CHARS
from functions.chat.tools.toolbox import FAILED, Result, Toolbox
from headwater.errors import DatabaseUnavailable, LeaseLost, UnprocessableContent
from headwater.tools import Tool, ToolContext

CONTEXT = ToolContext(
    workspace_id=uuid.UUID(int=1),
    caller="someone",
    settings={},
    blob_url="memory:///",
    blob_prefix="tools/",
    allow_private=False,
)


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to return, or to raise."""

    text: str = ""
    number: int = 0


class Echo(Tool[Arguments]):
    """Returns what it is given, or raises."""

    name = "echo"
    description = "Echoes."
    arguments_type = Arguments
    error: Exception | None = None

    def run(self, _: ToolContext, arguments: Arguments) -> Any:
        """Echo."""
        if self.error:
            raise self.error
        return arguments.text or {"number": arguments.number}


class Another(Echo):
    """Comes first by its name."""

    name = "another"


def call(arguments: Any, error: Exception | None = None, name: str = "echo") -> Result:
    tool = Echo()
    tool.error = error
    return Toolbox([tool, Another()]).call(name, CONTEXT, arguments)


def test_tools_are_described_in_the_order_of_their_names() -> None:
    described = Toolbox([Echo(), Another()]).describe()
    assert [tool.name for tool in described] == ["another", "echo"]
    assert described[1].arguments_schema["properties"]["text"] == {"type": "string", "default": ""}


def test_result_is_a_text_or_json() -> None:
    assert call({"text": "hello"}) == Result("hello")
    assert call({"number": 3}) == Result('{"number":3}')


def test_long_result_is_cut() -> None:
    assert len(call({"text": "x" * 1_000_000}).text) < MAX_CHARS + 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"number": "x"}, "Invalid arguments for echo: Expected `int`, got `str`"),
        ({"other": 1}, "unknown field `other`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_invalid_arguments_are_an_error(arguments: Any, says: str) -> None:
    result = call(arguments)
    assert result.is_error
    assert says in result.text


def test_unknown_tool_is_an_error_that_names_the_others() -> None:
    assert call({}, name="rm") == Result("There is no tool 'rm'. There are: another, echo.", is_error=True)


def test_errors_become_results() -> None:
    assert call({}, UnprocessableContent("Do it otherwise.")) == Result("Do it otherwise.", is_error=True)
    assert call({}, ZeroDivisionError("secret")) == Result(FAILED, is_error=True)


@pytest.mark.parametrize("error", [DatabaseUnavailable("down"), LeaseLost("lost")], ids=["database", "lease"])
def test_errors_of_the_process_are_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        call({}, error)


def test_only_built_in_tools_may_be_repeated() -> None:
    box = Toolbox([Echo()])
    assert box.may_repeat("echo")
    assert not box.may_repeat("other")
