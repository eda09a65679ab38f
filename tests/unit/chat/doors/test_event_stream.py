"""Comments during silences of a stream."""

from functions.chat.doors.event_stream import keep_alive
from functions.chat.streams.ui_message_stream import KEEP_ALIVE


def test_silence_has_comments_in_place_of_empty_events() -> None:
    assert list(keep_alive([b"a", b"", b"", b"b"], silence_s=0.0)) == [b"a", KEEP_ALIVE, KEEP_ALIVE, b"b"]


def test_short_silence_has_no_comment() -> None:
    assert list(keep_alive([b"", b"a", b"", b"b", b""], silence_s=60.0)) == [b"a", b"b"]
