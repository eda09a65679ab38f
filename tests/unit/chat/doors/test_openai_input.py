"""Questions of OpenAI's API: calls of tools with their results."""

import pytest

from functions.chat.answers.pieces import ToolCall
from functions.chat.answers.prompt import Turn
from functions.chat.doors.openai_input import read_question
from headwater.errors import UnprocessableContent

CALLS = (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
QUESTION = Turn("user", "How?")


def called(*ids: str) -> list[Turn]:
    return [Turn("assistant", "", calls=[call]) for call in CALLS if call.id in ids]


def result(id_: str) -> Turn:
    return Turn("tool", "done", call_id=id_)


def test_adjacent_calls_are_one_turn() -> None:
    asked = read_question([QUESTION, *called("a", "b"), result("b"), result("a")], "input")
    assert [turn.role for turn in asked.added.rounds] == ["assistant", "tool", "tool"]
    assert asked.added.rounds[0].calls == CALLS


def test_calls_of_earlier_answers_are_left_out() -> None:
    turns = [QUESTION, *called("a"), result("a"), Turn("assistant", "So."), Turn("user", "Why?")]
    asked = read_question(turns, "input")
    assert (asked.text, asked.history, asked.added.rounds) == ("Why?", [QUESTION, Turn("assistant", "So.")], [])


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([Turn("assistant", "Hello")], "last message"),
        ([QUESTION, Turn("assistant", "Hello")], "last message"),
        ([QUESTION, *called("a"), result("a"), Turn("assistant", "So.")], "last message"),
        ([QUESTION, result("a")], "no call has the id 'a'"),
        ([QUESTION, *called("a"), result("a"), result("a")], "no call has the id 'a'"),
        ([QUESTION, *called("a", "b"), result("a")], "the call 'b' is missing"),
        ([QUESTION, *called("a", "b"), result("a"), *called("a"), result("b"), result("a")], "the call 'b' is missing"),
    ],
)
def test_calls_without_result_and_results_without_call_are_refused(turns: list[Turn], words: str) -> None:
    with pytest.raises(UnprocessableContent, match=words):
        read_question(turns, "input")
