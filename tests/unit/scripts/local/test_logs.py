"""Log files and terminal output of the local stack."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scripts.local.logs import Logs, parse_entry, path_of, readable

ROUTINE = [
    '{"severity": "INFO", "message": "request", "path": "/ready", "status": 200}',
    '{"message": "no severity"}',
    "[2026-11-28 06:45:10 +0000] [28974] [INFO] Starting gunicorn 27.0.1",
    "[edge:info] GET /api/sources 200 OK (20ms)",
    "",
]
TO_BE_SEEN = [
    '{"severity": "ERROR", "message": "no"}',
    '{"severity": "WARNING", "message": "provider.blocked"}',
    "Traceback (most recent call last):",
    "ModuleNotFoundError: No module named 'x'",
    "[2026-11-28 06:45:10 +0000] [28974] [ERROR] Worker failed to boot.",
    '{"no": "message"}',
    "{broken",
]


@pytest.fixture
def make_logs(tmp_path: Path) -> Iterator[Callable[..., Logs]]:
    made: list[Logs] = []

    def make(*, verbose: bool = False) -> Logs:
        made.append(Logs(tmp_path / "logs", ["chat", "edge"], verbose=verbose))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("line", ROUTINE)
def test_routine_lines_go_to_the_file_alone(
    line: str, make_logs: Callable[..., Logs], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_logs().add_output("chat", line)
    assert capsys.readouterr().out == ""
    assert len(path_of(tmp_path / "logs", "chat").read_text().splitlines()) == 1


@pytest.mark.parametrize("line", TO_BE_SEEN)
def test_warnings_errors_and_tracebacks_reach_the_terminal(
    line: str, make_logs: Callable[..., Logs], capsys: pytest.CaptureFixture[str]
) -> None:
    make_logs().add_output("chat", line)
    assert capsys.readouterr().out.startswith("chat |")


@pytest.mark.parametrize("line", [line for line in ROUTINE if line])
def test_verbose_prints_every_line(
    line: str, make_logs: Callable[..., Logs], capsys: pytest.CaptureFixture[str]
) -> None:
    make_logs(verbose=True).add_output("edge", line)
    assert capsys.readouterr().out.startswith("edge |")


def test_files_hold_every_field_and_the_time(make_logs: Callable[..., Logs], tmp_path: Path) -> None:
    trace = {"severity": "INFO", "message": "request", "logging.googleapis.com/trace": "projects/local/traces/1"}
    made = make_logs()
    made.add_output("chat", json.dumps(trace))
    made.report("chat", "stopped answering")
    entry, message = path_of(tmp_path / "logs", "chat").read_text().splitlines()
    assert json.loads(entry) == {"time": json.loads(entry)["time"], **trace}
    assert message.endswith(" stopped answering")
    assert message[:20] >= json.loads(entry)["time"][:20]


def test_files_are_rotated_and_bounded(tmp_path: Path) -> None:
    with closing(Logs(tmp_path, ["chat"], verbose=False, max_bytes=2_000)) as made:
        for number in range(200):
            made.add_output("chat", json.dumps({"message": "request", "number": number}))
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["chat.log", "chat.log.1"]
    assert all(0 < file.stat().st_size <= 2_000 for file in files)
    assert '"number": 199' in files[0].read_text()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"severity": "INFO", "message": "drained", "action": "drained", "count": 3}', "drained count=3"),
        ('{"severity": "ERROR", "message": "no", "logging.googleapis.com/trace": "t"}', "ERROR no"),
        ('{"severity": "ERROR", "message": "no", "stack_trace": "a\\nb"}', "ERROR no\n    a\n    b"),
        ('{"severity": "WARNING", "message": "busy", "stack_trace": "a\\nb"}', "WARNING busy"),
    ],
)
def test_readable_formats_json_entries(line: str, text: str) -> None:
    entry = parse_entry(line)
    assert entry is not None
    assert readable(entry) == text


ATTACKS = [
    "\x1b]0;owned\x07",  # the window's title
    "\x1b]52;c;cm0gLXJmIC8K\x07",  # the clipboard
    "\x1b[2J\x1b[H$ ",  # clear the screen, show another prompt
    "\x1b[31mred\x1b[0m\x1b[8m hidden",
    "\x9b2Kerased",  # a C1 control character instead of ESC [
    "ab\r\x08\x08cd",
    "\u202egpj.exe\u2066x",
    "\u2028second line",
    "\x7f\x00\ufeff\u200b",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("is_entry", [True, False])
def test_control_characters_reach_neither_the_terminal_nor_the_file(
    attack: str,
    is_entry: bool,
    make_logs: Callable[..., Logs],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = {"severity": "ERROR", "message": f"says {attack}", "reason": attack, "stack_trace": f"a\n{attack}"}
    line = json.dumps(entry, ensure_ascii=False) if is_entry else f"Server says: {attack}"
    make_logs(verbose=True).add_output("chat", line)
    shown = capsys.readouterr().out
    written = path_of(tmp_path / "logs", "chat").read_text()
    for text in (shown, written):
        assert text.replace("\n", "").isprintable(), ascii(text)
    assert all(row.startswith(("chat |", "    ")) for row in shown.splitlines())
    assert len(written.splitlines()) == 1
    if is_entry:
        assert json.loads(written)["message"] == entry["message"]


def test_message_cannot_pretend_to_be_another_line(
    make_logs: Callable[..., Logs], capsys: pytest.CaptureFixture[str]
) -> None:
    make_logs().add_output("chat", json.dumps({"severity": "ERROR", "message": "no\nedge | ready http://evil"}))
    assert capsys.readouterr().out == "chat | ERROR no\\nedge | ready http://evil\n"


def test_colours_of_programs_are_left_out(make_logs: Callable[..., Logs], capsys: pytest.CaptureFixture[str]) -> None:
    make_logs().add_output("edge", "\x1b[1;31merror\x1b[0m\tno route")
    assert capsys.readouterr().out == "edge | error   no route\n"
