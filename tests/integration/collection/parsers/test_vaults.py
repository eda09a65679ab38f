"""Small vaults in the styles of eight tools: all is read as the tool reads it. `scripts/bench vault` makes big ones."""

import shutil
from pathlib import Path

import pytest

from tests.harness.pipeline import Pipeline
from tests.harness.vault.agreement import KINDS, TOOLS, Agreement, collect_vault, compare, make_vault

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")


@pytest.mark.parametrize("tool", TOOLS)
def test_vault_is_read_as_its_tool_reads_it(pipeline: Pipeline, tmp_path: Path, tool: str) -> None:
    agreement = Agreement()
    notes = make_vault(tool, 10, seed=2)
    compare(agreement, tool, notes, collect_vault(pipeline, tmp_path / "repository", notes))
    assert agreement.differences == []
    assert set(agreement.total) >= {(tool, kind) for kind in KINDS if kind != "heading"}
