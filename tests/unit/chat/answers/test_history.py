"""The budget of earlier messages that a model is given."""

from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.history import LEFT_OUT, estimate_tokens, recent_turns
from functions.chat.answers.prompt import Turn

TURNS = st.lists(
    st.builds(Turn, st.sampled_from(["user", "assistant"]), st.text(st.sampled_from("ab é漢😀\n"), max_size=60)),
    max_size=12,
)


def test_tokens_are_estimated_by_bytes() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "word", "words", "漢字", "\ud83d")] == [0, 1, 1, 2, 2, 1]


def test_history_omits_citations() -> None:
    history = [Turn("user", "What is [1]?"), Turn("assistant", "It is this [1][2], not that [3].")]
    assert recent_turns(history, 100) == [Turn("user", "What is [1]?"), Turn("assistant", "It is this, not that.")]


def test_oldest_messages_are_left_out_up_to_a_question() -> None:
    history = [Turn("user" if n % 2 == 0 else "assistant", f"{n:04}") for n in range(20)]
    assert recent_turns(history, 7) == history[14:]  # one token each; the seventh is an answer
    assert recent_turns(history, 1_000) == history


def test_middle_of_a_long_message_is_left_out() -> None:
    history = [Turn("user", "Tell me all."), Turn("assistant", "start " + "x" * 9_000 + " end")]
    question, answer = recent_turns(history, 100)
    assert question.text == "Tell me all."
    start, end = answer.text.split(LEFT_OUT)
    assert (start[:6], end[-4:]) == ("start ", " end")
    assert estimate_tokens(answer.text) <= 50


@given(TURNS, st.integers(0, 60))
def test_history_is_the_latest_within_the_budget(history: list[Turn], max_tokens: int) -> None:
    turns = recent_turns(history, max_tokens)
    assert sum(estimate_tokens(turn.text) for turn in turns) <= max_tokens
    assert [turn.role for turn in turns] == [turn.role for turn in history[len(history) - len(turns) :]]
    assert not turns or turns[0].role == "user"
