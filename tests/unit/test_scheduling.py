"""`tests.harness.scheduling`: which tests run in the same process."""

import pytest

from tests.harness.paths import ROOT
from tests.harness.scheduling import SHARED_STACKS, group


@pytest.mark.parametrize("folder", SHARED_STACKS)
def test_files_on_one_stack_run_in_one_process_and_others_apart(folder: str) -> None:
    files = sorted((ROOT / folder).glob("test_*.py"))
    assert len(files) >= 2
    assert {group(f"{file.relative_to(ROOT)}::test_x[a]") for file in files} == {folder}
    assert group("tests/e2e/test_agents.py::test_x[a::b]") == "tests/e2e/test_agents.py"
