"""`scripts/test`: which arguments select tests, which run in several processes, and the second try of failed tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.checks import run_tests
from scripts.checks.run_tests import (
    MAX_SECOND_TRIES,
    MAX_WORKERS,
    distribution,
    run_again,
    run_files_again,
    selecting_arguments,
)
from scripts.checks.skipped_tests import reasons
from tests.harness import failed_tests


@pytest.mark.parametrize("arguments", [[], ["-rs", "--durations=20"], ["tests/integration"], ["-x", "tests"]])
def test_folders_run_in_more_processes_than_there_are_cores(arguments: list[str]) -> None:
    assert distribution(arguments, 2)[0] == "--numprocesses=5"
    assert distribution(arguments, 64)[0] == f"--numprocesses={MAX_WORKERS}"


def test_unit_tests_run_in_as_many_processes_as_there_are_cores() -> None:
    assert distribution(["-x", "tests/unit/chat", "tests/unit/job"], 2)[0] == "--numprocesses=2"


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/unit/headwater/web/test_once.py"],
        ["tests/unit/headwater/web/test_once.py::test_x"],
        ["tests/unit", "-k", "once"],
        ["--pdb"],
        ["-s"],
        ["-n0"],
        ["--numprocesses=2"],
    ],
)
def test_files_debuggers_and_explicit_options_run_in_one_process(arguments: list[str]) -> None:
    assert distribution(arguments, 2) == []


def test_options_alone_select_nothing() -> None:
    assert selecting_arguments(["-rs", "--durations=20"]) == []
    assert selecting_arguments(["-k", "once"]) == ["once"]


FLAKY = """
import pathlib

def test_second_try_passes(tmp_path):
    tried = pathlib.Path(__file__).with_suffix(".tried")
    if not tried.exists():
        tried.touch()
        raise AssertionError

def test_passes():
    pass
"""


def test_only_failed_tests_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # importing the plugins takes half a second
    test, failures, configuration = tmp_path / "test_flaky.py", tmp_path / "failures", tmp_path / "pytest.ini"
    test.write_text(FLAKY)
    configuration.write_text("[pytest]\n")
    options = ["-c", str(configuration), "-p", "tests.harness.failed_tests", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, f"--failures={failures}", str(test)]
    assert subprocess.run(command, check=False).returncode == 1
    assert failures.read_text() == "test_flaky.py::test_second_try_passes\n"
    failures.write_text(f"{test}::test_second_try_passes\n")
    assert run_again(failures, options)
    assert "1 passed" in capfd.readouterr().out
    failures.write_text(f"{test}::test_missing\n")
    assert not run_again(failures, options)


def test_these_tests_write_the_names_of_failed_ones(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("--failures", default="no such option") != "no such option"
    hooks = pytestconfig.pluginmanager.hook.pytest_terminal_summary.get_hookimpls()
    assert failed_tests.pytest_terminal_summary in [hook.function for hook in hooks]


@pytest.mark.parametrize("names", [[], ["x::test"] * (MAX_SECOND_TRIES + 1)])
def test_nothing_runs_again_if_no_test_failed_or_many_did(tmp_path: Path, names: list[str]) -> None:
    failures = tmp_path / "failures"
    assert not run_again(failures, [])
    failures.write_text("\n".join(names))
    assert not run_again(failures, [])


def suite(name: str, failures: int, cases: str) -> str:
    return f'<testsuite name="{name}" failures="{failures}">{cases}</testsuite>'


SKIPPED = '<testcase classname="b.test.ts" name="{}"><skipped/></testcase>'
FAILED_HOOK = suite("a.test.ts", 0, "") + suite("b.test.ts", 1, SKIPPED.format("served"))
WRITE_REPORT = "import sys; open(sys.argv[1], 'w').write(sys.argv[2]); sys.exit(int(sys.argv[3]))"


@pytest.mark.parametrize("status", [0, 1])
def test_only_failed_files_of_vitest_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    again = f"<testsuites>{suite('b.test.ts', status, SKIPPED.format('needs x'))}</testsuites>"

    def vitest(report: Path, *files: str) -> tuple[list[str], Path, dict[str, str]]:
        assert files == ("b.test.ts",)
        return [sys.executable, "-c", WRITE_REPORT, str(report), again, str(status)], tmp_path, dict(os.environ)

    monkeypatch.setattr(run_tests, "edge_command", vitest)
    report = tmp_path / "edge.xml"
    report.write_text(f'<testsuites errors="0">{FAILED_HOOK}</testsuites>')
    assert run_files_again(report) == (status == 0)
    assert "b.test.ts" in capfd.readouterr().out
    name = "needs x" if status == 0 else "served"
    assert reasons(report.read_text()) == [(f"b.test.ts::{name}", name)]


@pytest.mark.parametrize(
    "report",
    [
        None,
        "",
        f'<testsuites errors="0">{suite("a.test.ts", 0, "")}</testsuites>',
        f'<testsuites errors="1">{FAILED_HOOK}{suite("vitest unhandled errors", 0, "")}</testsuites>',
    ],
)
def test_no_file_runs_again_if_the_report_names_none_or_has_an_error_outside_of_tests(
    tmp_path: Path, report: str | None
) -> None:
    path = tmp_path / "edge.xml"
    if report is not None:
        path.write_text(report)
    assert not run_files_again(path)
