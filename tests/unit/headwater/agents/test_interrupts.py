"""Values of interrupts as questions."""

import pytest

from headwater.agents.interrupts import question_of


@pytest.mark.parametrize(
    ("value", "question", "choices"),
    [
        ("Which one?", "Which one?", []),
        ({"question": "Which?", "choices": ["a", "b"]}, "Which?", ["a", "b"]),
        ({"message": "Go on?", "options": ["yes", ""]}, "Go on?", ["yes"]),
        ({"order": 7}, '{\n "order": 7\n}', []),
        ({"question": 7}, '{\n "question": 7\n}', []),
        (None, "None", []),
        (" ", "May the agent go on?", []),
    ],
    ids=["text", "dict", "other names", "other dict", "no text", "nothing", "blank"],
)
def test_question_of_reads_common_values(value: object, question: str, choices: list[str]) -> None:
    assert question_of(value) == {"question": question, "choices": choices}


def test_question_of_has_the_limits_of_ask_user() -> None:
    asked = question_of({"question": "x" * 5_000, "choices": ["y" * 500] * 50})
    assert len(asked["question"]) == 2_000
    assert asked["choices"] == ["y" * 200] * 10
