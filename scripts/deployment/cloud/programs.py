"""The programs that commands name: gcloud, and the Node and Python of this checkout."""

import os
import shutil
import subprocess
import sys

from scripts import setup
from scripts.deployment.cloud.failures import DeploymentError

ROOT = setup.ROOT
WRANGLER = ROOT / "edge" / "node_modules" / "wrangler" / "bin" / "wrangler.js"


def gcloud_path() -> str:
    """Find gcloud; raises DeploymentError."""
    found = shutil.which("gcloud")
    if found is None:
        raise DeploymentError("gcloud is not installed", "https://cloud.google.com/sdk/docs/install")
    return found


def argv(program: str, arguments: tuple[str, ...]) -> list[str]:
    """Give the process's arguments for a command as it is printed."""
    if program == "gcloud":
        return [gcloud_path(), *arguments]
    if program == "python3":
        return [sys.executable, *arguments]
    node, _ = setup.npm_command()
    script = [str(WRANGLER)] if program == "wrangler" else []
    return [node[0], *script, *arguments]


def environment(program: str) -> dict[str, str]:
    """Give a program's environment: gcloud asks nothing, and logs no argument; wrangler reports to nobody."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if program == "python3":
        ours["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "shared")])
    return ours | {
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "NODE_USE_SYSTEM_CA": "1",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_WRITE_LOGS": "false",
    }


def ready_edge() -> None:
    """Install Node and wrangler and build the web app, unless that is done; raises DeploymentError."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "setup.py")], cwd=ROOT, check=False)
    if done.returncode:
        raise DeploymentError("the Worker and the web app can't be built", "mend what is said above, then run again")
