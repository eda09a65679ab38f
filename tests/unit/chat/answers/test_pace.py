"""The pace of answers: the more are running, the larger their groups."""

from contextlib import ExitStack

from functions.chat.answers.pace import pace_s, running_answer


def test_pace_slows_with_the_number_of_running_answers() -> None:
    before = pace_s()
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(running_answer())
        assert round(pace_s() - before, 6) == 0.1
    assert pace_s() == before
