"""Calculations: right, and nothing but calculations, within limits."""

import uuid

import pytest

from functions.chat.tools import calculate
from functions.chat.tools.calculate import Calculate, CalculateArguments
from headwater.errors import UnprocessableContent
from headwater.tools import ToolContext

CONTEXT = ToolContext(
    workspace_id=uuid.UUID(int=1),
    caller="someone",
    settings={},
    blob_url="memory:///",
    blob_prefix="tools/",
    allow_private=False,
)


def run(code: str) -> str:
    return Calculate().run(CONTEXT, CalculateArguments(code))


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("1 + 1", "2"),
        ("from decimal import Decimal\nDecimal('0.1') + Decimal('0.2')", "Decimal('0.3')"),
        ("import math\nround(math.sqrt(2), 3)", "1.414"),
        ("import datetime\nstr(datetime.date(2026, 1, 1) + datetime.timedelta(days=30))", "2026-01-31"),
        ("print('a')\nprint('b')", "a\nb\n"),
        ("x = 1", "(It has no result. End with an expression.)"),
    ],
    ids=["sum", "decimal", "math", "dates", "print", "nothing"],
)
def test_calculations_are_right(code: str, result: str) -> None:
    assert run(code) == result


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 +", "Expected an expression"),
        ("1 / 0", "division by zero"),
        ("open('/etc/passwd').read()", "Permission denied"),
        ("open('/tmp/x', 'w')", "Permission denied"),
        ("import os\nos.environ", "not supported"),
        ("import os\nos.system('id')", "os"),
        ("import socket", "No module named"),
        ("import subprocess", "No module named"),
        ("__import__('os')", "not defined"),
        ("[0] * 10**10", "memory limit"),
        ("'a' * 10**10", "memory limit"),
        ("9**9**9", "memory limit"),
        ("x = [1]\nwhile True: x = x + x", "memory limit"),
        ("print('a' * 10**6)", "limit"),
        ("def f(): return f()\nf()", "recursion"),
        ("2**100_000", "digits"),
    ],
    ids=range(16),
)
def test_other_code_fails_with_its_reason(code: str, reason: str) -> None:
    with pytest.raises(UnprocessableContent, match=reason):
        run(code)


def test_calculation_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculate, "MAX_SECONDS", 0.2)
    with pytest.raises(UnprocessableContent, match="time limit exceeded"):
        run("while True: pass")


def test_sleep_does_not_wait() -> None:
    assert run("import time\ntime.sleep(10**6)\n1") == "1"
