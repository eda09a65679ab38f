"""The command line of an evaluation: what is wrong is said before any question is asked."""

from pathlib import Path

import pytest

from scripts.evaluation.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "missing/run.json"], "the folder {folder}/missing doesn't exist"),
        (["--baseline", "own.jsonl"], "{folder}/own.jsonl is not a run that --output wrote"),
        (["--token-file", "missing"], "Name the file of your API key or token with --token-file."),
    ],
)
def test_unusable_file_is_named_before_questions_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"question": "How?"}')
    option, name = arguments
    assert main(["--questions", str(file), "--token-file", str(file), option, str(tmp_path / name)]) == 2
    assert message.format(folder=tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_limit_is_a_positive_number(capsys: pytest.CaptureFixture[str], limit: str) -> None:
    with pytest.raises(SystemExit):
        main(["--questions", "own.jsonl", "--limit", limit])
    assert "argument --limit" in capsys.readouterr().err
