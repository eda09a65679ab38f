"""Progress of the set-up's stages."""

import re
import time

import pytest

from scripts.progress import Progress
from scripts.setup import SetupError


def test_progress_prints_lines_while_a_stage_runs(capsys: pytest.CaptureFixture[str]) -> None:
    printed = ""
    with Progress("packages", interval_s=0.01) as progress:
        progress.count = lambda: "downloaded 1 of 2 packages"
        while "downloaded" not in printed:
            time.sleep(0.01)
            printed += capsys.readouterr().out
    assert " s, downloaded 1 of 2 packages\n" in printed
    assert printed.startswith("setup: packages … 0.")
    assert capsys.readouterr().out.endswith(" s, done\n")


def test_progress_tells_failed_from_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetupError), Progress("packages"):
        raise SetupError
    assert capsys.readouterr().out.endswith(" s, failed\n")
    with pytest.raises(KeyboardInterrupt), Progress("packages"):
        raise KeyboardInterrupt
    assert capsys.readouterr().out.endswith(" s, stopped\n")


def test_terminal_shows_the_first_of_two_stages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    printed = ""
    with Progress("packages", interval_s=0.01) as first:
        with Progress("web packages", interval_s=0.01):
            first.count = lambda: "downloaded 1 of 2 packages"
            while "downloaded" not in printed:
                time.sleep(0.01)
                printed += capsys.readouterr().out
        assert "web packages" not in printed
        assert re.fullmatch(
            r"(.*\r.* packages … .*)*\r\S+setup: web packages … [\d.]+ s, done\n", capsys.readouterr().out
        )
