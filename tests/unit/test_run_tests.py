"""`scripts/test`: which arguments are worth several processes."""

import pytest

from scripts.checks.run_tests import MAX_WORKERS, chosen, distribution


@pytest.mark.parametrize("arguments", [[], ["-rs", "--durations=20"], ["tests/integration"], ["-x", "tests/unit"]])
def test_whole_folders_run_in_one_process_more_than_there_are_cores(arguments: list[str]) -> None:
    assert distribution(arguments, 2)[0] == "--numprocesses=3"
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
def test_a_few_tests_and_a_debugger_stay_in_one(arguments: list[str]) -> None:
    assert distribution(arguments, 2) == []


def test_options_alone_choose_nothing() -> None:
    assert chosen(["-rs", "--durations=20"]) == []
    assert chosen(["-k", "once"]) == ["once"]
