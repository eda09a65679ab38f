"""`tests.harness.scheduling`: which tests run in the same process."""

from tests.harness.paths import ROOT
from tests.harness.scheduling import ON_ONE_STACK, group


def test_files_on_one_stack_run_in_one_process_and_others_apart() -> None:
    files = sorted((ROOT / ON_ONE_STACK).glob("test_*.py"))
    assert len(files) >= 2
    assert {group(f"{file.relative_to(ROOT)}::test_x[a]") for file in files} == {ON_ONE_STACK}
    assert group("tests/e2e/test_agents.py::test_x[a::b]") == "tests/e2e/test_agents.py"
