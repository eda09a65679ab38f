"""`scripts/test`: pytest's arguments flow in, the tests' output and one exit status flow out.

Runs every test: Python's by pytest, then those of `edge/` by vitest, unless the arguments choose some of Python's.
"""

import subprocess
import sys

from scripts import tools
from scripts.setup import ROOT, npm_command


def main() -> None:
    """Install what tests need, run them, and exit with 1 when one failed."""
    arguments = sys.argv[1:]
    chosen = any(not argument.startswith("-") for argument in arguments)
    tools.install()
    failed = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode != 0
    if not chosen:
        command, environment = npm_command("test")
        failed |= subprocess.run(command, cwd=ROOT / "edge", env=environment, check=False).returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
