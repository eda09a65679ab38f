"""What a message needs: the search for follow-up questions, and a model's reply about it."""

import pytest

from functions.chat.answers.prompt import Turn
from functions.chat.answers.understanding.intent import Intent, last_question, read_reply, retrieval_query

BEFORE = [Turn("user", "How do I install it?"), Turn("assistant", "With pip.")]


@pytest.mark.parametrize(
    "question",
    ["And on Windows?", "Why?", "on Windows?", "Does it need root?", "What about updates?", "Why is that so?"],
)
def test_dependent_question_is_searched_with_the_previous_one(question: str) -> None:
    assert retrieval_query(question, BEFORE) == f"How do I install it?\n{question}"


@pytest.mark.parametrize(
    "question",
    [
        "What is row-level security?",
        "Which ports does the embedding function open?",
        "In a cluster of three machines that share nothing, how is it decided which one of them answers?",
    ],
)
def test_independent_question_is_searched_alone(question: str) -> None:
    assert retrieval_query(question, BEFORE) == question


def test_first_question_is_searched_alone() -> None:
    assert retrieval_query("And it?", []) == "And it?"


def test_follow_ups_of_follow_ups_lead_to_the_question_that_they_began_with() -> None:
    history = [
        Turn("user", "How do I install the compass?"),
        Turn("assistant", "With pip."),
        Turn("user", "And on Windows?"),
        Turn("assistant", "The same."),
        Turn("user", "Thanks!"),
        Turn("assistant", "You are welcome."),
    ]
    expected = "How do I install the compass?\nAnd on Windows?\nAnd on macOS?"
    assert retrieval_query("And on macOS?", history) == expected
    assert last_question(history) == "And on Windows?"
    assert retrieval_query("And on BeOS?", [turn for turn in history if turn.role == "user"] * 3).count("\n") == 2


@pytest.mark.parametrize(
    ("reply", "intent"),
    [
        ("SEARCH: How is it installed on Windows?", Intent(True, "How is it installed on Windows?")),
        ("**SEARCH:** How?\nTALK", Intent(True, "How? TALK")),
        ("- SEARCH How?", Intent(True, "How?")),
        ("TALK", Intent(False, "")),
        ("TALK: thanks", Intent(False, "")),
        ("SEARCH:", None),
        ("TALKING about it", None),
        ("Yes [1].", None),
        ("", None),
    ],
)
def test_reply_of_a_model_is_read(reply: str, intent: Intent | None) -> None:
    assert read_reply(reply) == intent
