"""Reading and writing protocol buffers' JSON."""

import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.rest.protojson import Message, camel_case, duration_text, timestamp_text
from localcloud.rest.router import ApiError


class Colour(enum.Enum):
    UNKNOWN = 0
    RED = 1


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (3600, "3600s"), (0.1, "0.100s"), (1e-9, "0.000000001s")])
def test_durations_have_as_many_decimals_as_google_writes(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert Message({"d": text}, "m").duration_s("d") == seconds


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_keep_their_microseconds(microseconds: int) -> None:
    text = timestamp_text(microseconds / 1e6)
    assert Message({"t": text}, "m").timestamp("t") == pytest.approx(microseconds / 1e6, abs=1e-6)


def test_nanoseconds_and_other_time_zones_are_read() -> None:
    message = Message({"a": "2026-11-22T03:51:18.123456789Z", "b": "2026-11-22T04:51:18+01:00"}, "m")
    assert message.timestamp("a") == pytest.approx(1795319478.123456)
    assert message.timestamp("b") == 1795319478


def test_enums_come_by_name_or_by_number() -> None:
    message = Message({"a": "RED", "b": 1, "c": "1"}, "m")
    assert [message.choice(name, Colour) for name in "abcd"] == [Colour.RED, Colour.RED, Colour.RED, Colour.UNKNOWN]


def test_fields_may_be_written_in_either_way() -> None:
    assert camel_case("max_dispatches_per_second") == "maxDispatchesPerSecond"
    assert Message({"max_size": "12"}, "m").integer("maxSize") == 12


def test_bytes_come_in_both_alphabets_with_or_without_padding() -> None:
    message = Message({"a": "+/8=", "b": "-_8", "c": ""}, "m")
    assert [message.octets(name) for name in "abc"] == [b"\xfb\xff", b"\xfb\xff", b""]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("integer", "x"),
        ("integer", 1.5),
        ("integer", True),
        ("integer", [1]),
        ("number", "1"),
        ("number", float("nan")),
        ("duration_s", "5"),
        ("duration_s", 5),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-11-22T03:51:18"),
        ("timestamp", 5),
        ("octets", "*"),
        ("texts", {"a": 1}),
        ("message", "x"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(kind: str, value: Any) -> None:
    message = Message({"field": value}, "task")
    with pytest.raises(ApiError, match=r"Invalid value at 'task.field'"):
        getattr(message, kind)("field")


def test_an_enum_that_is_not_known_is_refused() -> None:
    with pytest.raises(ApiError, match="'BLUE'"):
        Message({"colour": "BLUE"}, "m").choice("colour", Colour)


def test_a_field_that_nobody_knows_is_refused() -> None:
    with (
        pytest.raises(ApiError, match="Unknown name \"colour\" at 'task': Cannot find field"),
        Message({"name": "x", "colour": 1}, "task") as message,
    ):
        message.string("name")


def test_a_field_that_is_not_supported_is_refused_unless_empty() -> None:
    Message({"appEngine": {}}, "m").unsupported("appEngine", "Task.appEngine")
    with pytest.raises(ApiError, match=r"Task\.appEngine is not supported by localcloud") as refused:
        Message({"appEngine": {"a": 1}}, "m").unsupported("appEngine", "Task.appEngine")
    assert refused.value.http_status == 501
