"""Arguments of `scripts/test`: which select tests, and which run in several processes."""

import pytest

from scripts.checks.run_tests import MAX_WORKERS, distribution, selecting_arguments


@pytest.mark.parametrize("arguments", [[], ["-rs", "--durations=20"], ["tests/integration"], ["-x", "tests/unit"]])
def test_folders_run_in_more_processes_than_there_are_cores(arguments: list[str]) -> None:
    assert distribution(arguments, 2)[0] == "--numprocesses=4"
    assert distribution(arguments, 64)[0] == f"--numprocesses={MAX_WORKERS}"


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
