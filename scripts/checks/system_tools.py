"""System tools that only tests need, such as a browser: names flow in, what can be had is installed.

`scripts/test` calls it. Without root, apt-get or a network nothing happens: the tests that need the tool skip and
say so as `needs NAME: …`, which `scripts/checks/skipped_tests.py` reads.
"""

import os
import shutil
import subprocess
from pathlib import Path

# Each tool with the programs it is found by, and the Debian package that brings them.
TOOLS = {
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "git": (("git",), "git"),
    "pgbouncer": (("pgbouncer",), "pgbouncer"),
}
# Debian keeps servers where only root's PATH goes.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_TIMEOUT_S = 600


def program(tool: str) -> str | None:
    """Find a tool's program."""
    return next(filter(None, (shutil.which(name, path=_PATH) for name in TOOLS[tool][0])), None)


def missing() -> list[str]:
    """List the tools that aren't here."""
    return [tool for tool in TOOLS if program(tool) is None]


def can_be_had(tool: str) -> bool:
    """Tell whether this machine has a tool, or could have it by asking apt-get."""
    if tool not in TOOLS:
        return shutil.which(tool) is not None or tool in os.environ
    return tool not in missing() or (_is_possible() and _apt("--simulate", "install", TOOLS[tool][1]))


def install() -> None:
    """Install what is missing and can be had."""
    wanted = missing()
    if not wanted or not _is_possible():
        return
    packages = [TOOLS[tool][1] for tool in wanted]
    print(f"test: installing {', '.join(packages)}", flush=True)
    command = ("--yes", "--no-install-recommends", "install", *packages)
    # What the image knows about packages may do; asking for news takes longest.
    if not (_apt(*command) or (_apt("update") and _apt(*command))):
        print("test: they can't be had here; what needs them is skipped", flush=True)


def _is_possible() -> bool:
    return os.geteuid() == 0 and Path("/usr/bin/apt-get").exists()


def _apt(*arguments: str) -> bool:
    try:
        done = subprocess.run(
            ["/usr/bin/apt-get", "-qq", *arguments],
            env=os.environ | _APT,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
