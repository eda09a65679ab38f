"""Install the system tools that only tests need, such as a browser. CI runs this beside the set-up, with any Python.

Without root, apt-get or a network, nothing is installed, and the tests that need a tool are skipped with the reason
`needs NAME: …` (see `skipped_tests.py`).
"""

import os
import shutil
import subprocess
from pathlib import Path

# Tool: names of its program, the best first; Debian package.
TOOLS = {
    "bubblewrap": (("bwrap",), "bubblewrap"),
    # Without the parts of a browser that only people use: half the processor time for a page.
    "chromium": (
        ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
        "chromium-headless-shell",
    ),
    "dovecot": (("dovecot",), "dovecot-imapd"),
    "git": (("git",), "git"),
    "pgbouncer": (("pgbouncer",), "pgbouncer"),
    "searx": (("searx-run",), "searx"),
    "sshd": (("sshd",), "openssh-server"),
    "tesseract": (("tesseract",), "tesseract-ocr"),
}
# Debian installs servers into a folder that is in root's PATH only.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_TIMEOUT_S = 600


def program(tool: str) -> str | None:
    """Return the path of a tool's program, None if it is not installed."""
    return next(filter(None, (shutil.which(name, path=_PATH) for name in TOOLS[tool][0])), None)


def missing() -> list[str]:
    """List the tools that are not installed."""
    return [tool for tool in TOOLS if program(tool) is None]


def is_available(tool: str) -> bool:
    """Return whether a tool is installed or apt-get could install it.

    Names that are no tool of ours are looked up among the programs and the environment variables.
    """
    if tool not in TOOLS:
        return shutil.which(tool) is not None or tool in os.environ
    return tool not in missing() or (_can_install() and _apt("--simulate", "install", TOOLS[tool][1]))


def install() -> None:
    """Install the missing tools if possible."""
    tools = missing()
    if not tools or not _can_install():
        return
    packages = [TOOLS[tool][1] for tool in tools]
    print(f"test: installing {', '.join(packages)}", flush=True)
    command = ("--yes", "--no-install-recommends", "install", *packages)
    # The package lists may be up to date already; updating them takes longest.
    if _apt(*command) or (_apt("update") and _apt(*command)):
        return
    one_by_one = [_apt("--yes", "--no-install-recommends", "install", package) for package in packages]
    if not all(one_by_one):
        print("test: they could not be installed; the tests that need them are skipped", flush=True)


def _can_install() -> bool:
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


if __name__ == "__main__":
    install()
