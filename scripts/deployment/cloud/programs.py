"""Locate and configure the programs that commands run: gcloud, and the checkout's own Node, wrangler and Python."""

import os
import shutil
import subprocess
import sys

from scripts import setup
from scripts.deployment.cloud.failures import DeploymentError

ROOT = setup.ROOT
WRANGLER = ROOT / "edge" / "node_modules" / "wrangler" / "bin" / "wrangler.js"


def gcloud_path() -> str:
    """Return the path of gcloud. Raises DeploymentError if it is not installed."""
    path = shutil.which("gcloud")
    if path is None:
        raise DeploymentError("gcloud is not installed", "install it: https://cloud.google.com/sdk/docs/install")
    return path


def argv(program: str, arguments: tuple[str, ...]) -> list[str]:
    """Return the argument list of a process for a command as printed."""
    if program == "gcloud":
        return [gcloud_path(), *arguments]
    if program == "python3":
        return [sys.executable, *arguments]
    node, _ = setup.npm_command()
    script = [str(WRANGLER)] if program == "wrangler" else []
    return [node[0], *script, *arguments]


def environment(program: str) -> dict[str, str]:
    """Return a program's environment: no prompts, no argument logs, no telemetry.

    It states the size of the terminal, since its output goes to a pipe: without, each gcloud command starts `tput` up
    to 14 times.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if program == "python3":
        inherited["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "shared")])
    return inherited | {
        "COLUMNS": "120",
        "LINES": "40",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "NODE_USE_SYSTEM_CA": "1",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_WRITE_LOGS": "false",
    }


def build_edge() -> None:
    """Install Node and wrangler and build the web app, unless they are up to date. Raises DeploymentError."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "setup.py")], cwd=ROOT, check=False)
    if done.returncode:
        raise DeploymentError("building the web app failed", "fix the problem above, then run again")
