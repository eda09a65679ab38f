"""Bounds of what an agent's process may ask for. They hold before anything is read or written."""

from typing import Any

import pytest

from functions.chat.agents.custom.requests import MAX_CALLS, MAX_ID_CHARS, MAX_METADATA_BYTES, MAX_WRITES, Requests
from functions.chat.agents.limits import Limits
from functions.chat.agents.posted_responses import MAX_INPUT_BYTES
from headwater.agents import messages as ask
from headwater.config import Settings
from headwater.errors import PermanentError
from headwater.usage.prices import load_prices

BLOB = ask.Blob("msgpack", b"")
LONG = "x" * (MAX_ID_CHARS + 1)


class _Unused:
    """Fails when it is used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def requests() -> Requests:
    unused: Any = _Unused()
    settings = Settings(database_url="unused")
    return Requests(
        unused,
        unused,
        turns=unused,
        calls=unused,
        limits=Limits.of(settings),
        prices=load_prices(settings.prices),
        timeout_s=1,
        is_time_up=bool,
    )


@pytest.mark.parametrize(
    "call",
    [
        ask.CallTool(LONG, "search_knowledge", {}),
        ask.CallTool("a\0b", "search_knowledge", {}),
        ask.ReadCheckpoint(LONG),
        ask.StoreCheckpoint("", LONG, BLOB, {}, []),
        ask.StoreCheckpoint("", "1", BLOB, {"x": "y" * MAX_METADATA_BYTES}, []),
        ask.StoreWrites("", "1", [ask.TaskWrite("t", 0, LONG, BLOB)]),
        ask.StoreWrites("", "1", [ask.TaskWrite("t", MAX_WRITES + 1, "c", BLOB)]),
        ask.StoreWrites("", "1", [ask.TaskWrite("t", 0, "c", BLOB)] * (MAX_WRITES + 1)),
        ask.ModelStarted(LONG, "model", 1),
        ask.AskPerson(LONG, "ask", {}, False),
        ask.AskPerson("a", "delete", {"x": "y" * MAX_INPUT_BYTES}, True),
        ask.AskPerson("a", "delete", {"x": "\0"}, True),
    ],
    ids=lambda call: type(call).__name__,
)
def test_request_beyond_its_bounds_ends_the_agent(call: ask.Call) -> None:
    with pytest.raises(PermanentError):
        requests().answer(call)


def test_calls_of_a_step_are_counted() -> None:
    asked = requests()
    for _ in range(MAX_CALLS):
        with pytest.raises(AssertionError):
            asked.answer(ask.CallTool("c", "search_knowledge", {}))
    with pytest.raises(PermanentError, match=f"more than {MAX_CALLS:,} calls"):
        asked.answer(ask.CallTool("c", "search_knowledge", {}))
