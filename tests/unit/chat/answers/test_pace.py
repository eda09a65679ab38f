"""The pace of answers: the more are running, the larger their groups."""

import threading
from collections.abc import Iterable
from contextlib import ExitStack

from functions.chat.answers.pace import pace_s, paced_reads, reads_are_paced, running_answer


def test_pace_slows_with_the_number_of_running_answers() -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(running_answer())
        before = pace_s()
        assert before >= 0.1
        for _ in range(100):
            stack.enter_context(running_answer())
        assert round(pace_s() - before, 6) == 0.1


def test_few_answers_are_read_as_they_come() -> None:
    with running_answer():
        assert pace_s() == 0


def test_paced_reads_are_known_to_their_thread_only() -> None:
    def seen_while(reads: Iterable[bytes]) -> list[object]:
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.extend([reads_are_paced(), *reads, reads_are_paced()]))
        thread.start()
        thread.join()
        return seen

    assert seen_while(paced_reads([b"a", b"b"])) == [False, b"a", b"b", True]
    assert seen_while([]) == [False, False]
