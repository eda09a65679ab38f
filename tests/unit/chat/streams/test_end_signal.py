"""Streams that follow an answer are told of its end."""

import threading
import time
import uuid

from functions.chat.streams.end_signal import _waiting, signal_end, wait_for_end

LIMIT_S = 300.0


def test_end_wakes_all_that_wait_for_this_answer() -> None:
    answer, other = uuid.uuid4(), uuid.uuid4()
    threads = [threading.Thread(target=wait_for_end, args=(answer, LIMIT_S)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(_waiting.get(answer, ())) < len(threads):
        time.sleep(0.001)
    signal_end(other)
    assert all(thread.is_alive() for thread in threads)
    signal_end(answer)
    for thread in threads:
        thread.join(LIMIT_S)
    assert not any(thread.is_alive() for thread in threads)
    assert not _waiting.keys() & {answer, other}


def test_wait_ends_without_a_signal() -> None:
    answer = uuid.uuid4()
    wait_for_end(answer, 0.0)
    assert answer not in _waiting
