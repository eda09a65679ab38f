"""The one container's log: every line is a JSON object, whatever a service prints."""

import json

import pytest

from scripts.container.json_logs import JsonLogs


@pytest.mark.parametrize(
    ("line", "severity", "message"),
    [
        ('{"severity": "WARNING", "message": "provider.blocked", "run_id": "r"}', "WARNING", "provider.blocked"),
        ("[2026-11-28 06:45:10 +0000] [7] [INFO] Starting gunicorn 27.0.1", "INFO", None),
        ("Traceback (most recent call last):", "DEFAULT", "Traceback (most recent call last):"),
        ("\x1b[31mred\x1b[0m \u202e", "DEFAULT", "red \\u202e"),
        ('{"no": "message"}', "DEFAULT", '{"no": "message"}'),
        ("{broken", "DEFAULT", "{broken"),
        ('{"message": "x", "process": "forged", "severity": "INFO"}', "INFO", "x"),
        ("[1, 2]", "DEFAULT", "[1, 2]"),
    ],
)
def test_output_becomes_one_entry_of_its_process(
    line: str, severity: str, message: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    JsonLogs().add_output("chat", line)
    printed = capsys.readouterr().out
    entry = json.loads(printed)
    assert printed.count("\n") == 1
    assert (entry["process"], entry["severity"], entry["message"]) == ("chat", severity, message or line)
    assert "time" in entry


def test_empty_line_is_left_out_and_reports_have_a_severity(capsys: pytest.CaptureFixture[str]) -> None:
    logs = JsonLogs()
    logs.add_output("chat", "  ")
    logs.report("chat", "exited (status 1), restarting in 0.25 s")
    logs.fail("container", "chat doesn't start")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["process"], line["severity"]) for line in lines] == [("chat", "NOTICE"), ("container", "ERROR")]
