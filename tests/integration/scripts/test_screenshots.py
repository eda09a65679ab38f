"""`scripts/screenshots` and the images that it takes."""

import os
import subprocess
import sys

import pytest

from scripts.screenshots import IMAGES, MAX_BYTES, NAMES
from tests.harness.paths import ROOT


def test_missing_chromium_is_named() -> None:
    command = [sys.executable, "-m", "scripts.screenshots"]
    environment = os.environ | {"PATH": "/nonexistent"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("scripts/screenshots: Chromium is not installed. ")


@pytest.mark.parametrize("name", NAMES)
def test_readme_shows_a_small_image(name: str) -> None:
    image = IMAGES / f"{name}.png"
    assert f"]({image.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
    assert image.read_bytes().startswith(b"\x89PNG\r\n")
    assert image.stat().st_size <= MAX_BYTES
