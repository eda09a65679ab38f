"""`--help` of every script: it describes the script, and does nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)
BENCHMARKS = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if "ArgumentParser" in path.read_text())
PARSERS = {
    "dev": "scripts.local.dev",
    "lock": "scripts.checks.locks",
    "chaos": "tests.chaos",
    "deploy": "scripts.deployment",
    "undeploy": "scripts.deployment.undeploy",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that was never set up."""
    root = tmp_path_factory.mktemp("fresh") / "checkout"
    for folder in ("scripts", "bench", "shared"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def run(command: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        [command, *arguments], cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if "__pycache__" not in path.parts}


def test_scripts_are_found() -> None:
    assert {"dev", "test", "check", "bench", "chaos", "cost", "lock", "deploy", "screenshots"} <= set(SCRIPTS)


@pytest.mark.parametrize("argument", ["--help", "-h"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_of_a_fresh_checkout_prints_usage_and_changes_nothing(checkout: Path, script: str, argument: str) -> None:
    before = files(checkout)
    done = run(checkout / "scripts" / script, argument)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^usage: scripts/{script}\b", done.stdout, re.IGNORECASE | re.MULTILINE)
    assert files(checkout) == before


def test_help_works_among_other_arguments_and_behind_a_link(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "headwater-tests"
    link.symlink_to(checkout / "scripts" / "test")
    assert run(link, "tests/unit", "--help").stdout.startswith("Run the tests.")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_of_bench_lists_and_describes_every_benchmark(checkout: Path, name: str) -> None:
    before = files(checkout)
    assert re.search(rf"^  {name} +\S", run(checkout / "scripts" / "bench").stdout, re.MULTILINE)
    assert f"python -m bench.{name}" in run(checkout / "scripts" / "bench", name, "--help").stdout
    assert files(checkout) == before


@pytest.mark.parametrize("script", PARSERS)
def test_help_describes_every_option_of_the_parser(script: str) -> None:
    command = [sys.executable, "-m", PARSERS[script], "--no-such-option"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 2
    options = set(re.findall(r"--[a-z-]+", refused.stderr)) - {"--no-such-option"}
    described = set(re.findall(r"--[a-z-]+", run(ROOT / "scripts" / script, "--help").stdout))
    assert options
    assert options <= described


@pytest.mark.parametrize("script", ["check", "cost", "screenshots"])
def test_arguments_of_a_script_without_any_are_refused(checkout: Path, script: str) -> None:
    before = files(checkout)
    refused = run(checkout / "scripts" / script, "tests/unit")
    assert refused.returncode == 2
    assert refused.stderr == f"scripts/{script}: unknown argument: tests/unit. Run scripts/{script} --help.\n"
    assert files(checkout) == before
