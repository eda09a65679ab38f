"""The main use case in a real browser, through the real Worker: collect a repository, ask, open the citation."""

import shutil
from pathlib import Path

import pytest

from tests.harness.browser import browse, needs_browser
from tests.harness.corpus import FILES, QUESTIONS
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    needs_browser,
]


@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)
def test_user_collects_a_repository_and_opens_a_citation(stack: RunningStack, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "larder")
    repository.write(FILES)
    question = QUESTIONS[0].question
    browse("collect-and-ask", tmp_path, stack.url, repository.url, question, states=4, token=stack.token)


@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)
def test_user_uploads_files_and_asks_about_one(stack: RunningStack, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "pump.md").write_text("# Pump\n\nTorque: tighten the screws of the pump with 12 newton metres.\n")
    (files / "valve.md").write_text("# Valve\n\nOpen the suction valve first.\n")
    shutil.copy(ROOT / "tests" / "data" / "documents" / "handbook.chromium.pdf", files / "manual.pdf")
    browse("upload-files", tmp_path, stack.url, str(files), states=18, token=stack.token)


@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)
def test_user_attaches_files_to_a_conversation(stack: RunningStack, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "turbine.md").write_text("# Zeppelin\n\nThe zeppelin turbine needs sunflower oil every week.\n")
    browse("attach-files", tmp_path, stack.url, str(files), states=5, token=stack.token)
