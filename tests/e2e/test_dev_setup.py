"""Setting up a checkout: stages are skipped when done and repeated after a change, a move or an interruption.

The tests use a small checkout whose lock file is empty, so that pip downloads nothing.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.paths import ROOT
from tests.harness.stacks import wait_until

BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


class ReadyCheckout(NamedTuple):
    """A checkout after its first set-up, and the outputs of the two processes that began with it at the same time."""

    root: Path
    outputs: list[str]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> ReadyCheckout:
    """A checkout that is set up, for tests that leave it set up. To make an environment takes 3 s of processor time."""
    root = make_checkout(tmp_path_factory.mktemp("checkout"))
    command = [str(BASE_PYTHON), str(root / "scripts" / "setup.py"), "packages"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    return ReadyCheckout(root, outputs)


def make_checkout(folder: Path) -> Path:
    """Make a checkout with the scripts and nothing to install. Its path contains a space."""
    root = folder / "a checkout"
    (root / "scripts").mkdir(parents=True)
    for name in ("_start.sh", "setup.py", "packages.py", "progress.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)
    (root / "scripts" / "requirements.txt").write_text("# nothing\n")
    dev = (ROOT / "scripts" / "dev").read_text()
    (root / "scripts" / "dev").write_text(
        dev.replace("\nset_up\n", "\nset_up packages\n").replace("-m scripts.local.dev", "-V")
    )
    (root / "scripts" / "dev").chmod(0o755)
    return root


def run(*command: Path | str, path: str = "/usr/bin:/bin") -> "subprocess.CompletedProcess[str]":
    """Run a command from another folder, with a minimal environment."""
    environment = {"PATH": path, "HOME": "/nonexistent"}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=120)


def set_up(root: Path) -> str:
    completed = run(BASE_PYTHON, root / "scripts" / "setup.py", "packages")
    assert completed.returncode == 0, completed.stderr
    assert run(root / ".venv" / "bin" / "python", "-m", "pip", "--version").returncode == 0
    return completed.stdout


def test_concurrent_set_ups_wait_for_each_other_and_run_each_stage_once(ready: ReadyCheckout) -> None:
    stages = re.findall(r"^setup: (.+) … [\d.]+ s, done$", "".join(ready.outputs), re.MULTILINE)
    assert stages == ["environment", "packages"]
    assert sum("setup: packages" in text for text in ready.outputs) == 1


def test_stage_runs_again_only_when_its_inputs_change(ready: ReadyCheckout, tmp_path: Path) -> None:
    assert set_up(ready.root) == ""
    (ready.root / "scripts" / "requirements.txt").write_text("# still nothing\n")
    assert set_up(ready.root).startswith("setup: packages")
    link = tmp_path / "headwater"
    link.symlink_to(ready.root / "scripts" / "dev")
    assert run(link).stdout.startswith("Python 3.")


def test_moved_checkout_or_missing_python_is_set_up_again(ready: ReadyCheckout, tmp_path: Path) -> None:
    moved = shutil.copytree(ready.root, tmp_path / "moved", symlinks=True)
    assert "setup: environment" in set_up(moved)
    for link in (moved / ".venv" / "bin").glob("python*"):
        link.unlink()
    assert "setup: environment" in set_up(moved)


def test_killed_set_up_starts_again_from_the_beginning(ready: ReadyCheckout) -> None:
    checkout = ready.root
    (checkout / "scripts" / "requirements.txt").write_text("# nothing yet\n")
    command = [str(BASE_PYTHON), str(checkout / "scripts" / "setup.py"), "packages"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as interrupted:
        wait_until((checkout / ".venv" / ".incomplete").exists)
        os.killpg(interrupted.pid, signal.SIGKILL)
    for package in (checkout / ".venv" / "lib").glob("python*/site-packages/pip"):
        shutil.rmtree(package / "_internal")
    set_up(checkout)
    assert not (checkout / ".venv" / ".incomplete").exists()


def test_failing_stage_prints_the_reason_and_is_retried(ready: ReadyCheckout) -> None:
    checkout = ready.root
    (checkout / "scripts" / "requirements.txt").write_text("headwater-no-such-file @ file:///nonexistent/x.whl\n")
    failed = run(BASE_PYTHON, checkout / "scripts" / "setup.py", "packages")
    assert failed.returncode == 1
    assert "This command failed: " in failed.stderr
    assert re.search(r"^setup: packages … [\d.]+ s, failed$", failed.stdout, re.MULTILINE)
    assert "Traceback" not in failed.stderr
    (checkout / "scripts" / "requirements.txt").write_text("# nothing\n")
    assert "setup: packages" in set_up(checkout)


def test_python_that_is_too_old_is_skipped(tmp_path: Path) -> None:
    checkout, programs = make_checkout(tmp_path), tmp_path / "bin"
    programs.mkdir()
    for tool in ("sh", "readlink", "dirname"):
        (programs / tool).symlink_to(str(shutil.which(tool)))
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    failed = run("/bin/sh", checkout / "scripts" / "dev", path=str(programs))
    assert failed.returncode == 1
    assert failed.stderr == (
        "Headwater needs Python 3.11 or newer, and none is on PATH. Install one and run this again.\n"
    )
    (programs / "python3.12").write_text('#!/bin/sh\necho "called: $*"\n')
    (programs / "python3.12").chmod(0o755)
    assert "setup.py packages" in run("/bin/sh", checkout / "scripts" / "dev", path=str(programs)).stdout


def test_finished_set_up_prints_nothing() -> None:
    """This checkout is set up, as it runs the tests."""
    assert run(sys.executable, ROOT / "scripts" / "setup.py").stdout == ""
