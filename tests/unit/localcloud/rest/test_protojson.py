"""Reading and writing protobuf JSON."""

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
def test_durations_are_formatted_like_googles(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert Message({"d": text}, "m").duration_s("d") == seconds


@given(st.integers(0, 4_000_000_000_000_000))
def test_timestamps_are_exact_to_the_microsecond(microseconds: int) -> None:
    text = timestamp_text(microseconds / 1e6)
    assert Message({"t": text}, "m").timestamp("t") == pytest.approx(microseconds / 1e6, abs=1e-6)


def test_timestamps_accept_nanoseconds_and_time_zones() -> None:
    message = Message({"a": "2026-11-22T03:51:18.123456789Z", "b": "2026-11-22T04:51:18+01:00"}, "m")
    assert message.timestamp("a") == pytest.approx(1795319478.123456)
    assert message.timestamp("b") == 1795319478


def test_enums_are_read_by_name_or_number() -> None:
    message = Message({"a": "RED", "b": 1, "c": "1"}, "m")
    assert [message.enum_value(name, Colour) for name in "abcd"] == [Colour.RED, Colour.RED, Colour.RED, Colour.UNKNOWN]


def test_fields_accept_snake_case_and_camel_case() -> None:
    assert camel_case("max_dispatches_per_second") == "maxDispatchesPerSecond"
    assert Message({"max_size": "12"}, "m").integer("maxSize") == 12


def test_bytes_accept_both_alphabets_with_or_without_padding() -> None:
    message = Message({"a": "+/8=", "b": "-_8", "c": ""}, "m")
    assert [message.base64_bytes(name) for name in "abc"] == [b"\xfb\xff", b"\xfb\xff", b""]


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
        ("base64_bytes", "*"),
        ("string_map", {"a": 1}),
        ("message", "x"),
    ],
)
def test_value_of_the_wrong_type_is_rejected_with_its_path(kind: str, value: Any) -> None:
    message = Message({"field": value}, "task")
    with pytest.raises(ApiError, match=r"Invalid value at 'task.field'"):
        getattr(message, kind)("field")


def test_unknown_enum_value_is_rejected() -> None:
    with pytest.raises(ApiError, match="'BLUE'"):
        Message({"colour": "BLUE"}, "m").enum_value("colour", Colour)


def test_unknown_field_is_rejected() -> None:
    with (
        pytest.raises(ApiError, match="Unknown name \"colour\" at 'task': Cannot find field"),
        Message({"name": "x", "colour": 1}, "task") as message,
    ):
        message.string("name")


def test_unsupported_field_is_rejected_unless_empty() -> None:
    Message({"appEngine": {}}, "m").unsupported("appEngine", "Task.appEngine")
    with pytest.raises(ApiError, match=r"Task\.appEngine is not supported by localcloud") as error:
        Message({"appEngine": {"a": 1}}, "m").unsupported("appEngine", "Task.appEngine")
    assert error.value.http_status == 501
