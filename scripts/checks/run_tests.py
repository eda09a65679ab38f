"""`scripts/test`: pytest's arguments flow in, the tests' output and one exit status flow out.

Runs every test: those of `edge/` by vitest, beside Python's by pytest in several processes; then those with a database
once more, through a PgBouncer in transaction mode. Arguments that choose some of Python's leave out the others; with
`--reports FOLDER` each of the three writes a JUnit report there.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from scripts.checks import system_tools
from scripts.setup import ROOT, npm_command

# Many tests wait for processes: one more than there are cores keeps these busy. Each has a Postgres of its own.
MAX_WORKERS = 8
# Whoever debugs wants the test in this terminal.
_INTERACTIVE = {"--pdb", "--trace", "-s", "--capture=no", "--collect-only", "--co"}


def main() -> None:
    """Install what tests need, run them, and exit with 1 when one failed."""
    parser = argparse.ArgumentParser(prog="scripts/test", add_help=False, allow_abbrev=False)
    parser.add_argument("--reports", type=Path)
    own, arguments = parser.parse_known_args()
    system_tools.install()
    everything = not any(chosen(arguments))
    with TemporaryFile() as output:
        edge = _start_edge(output, own.reports) if everything else None
        arguments = [*distribution(arguments, os.cpu_count() or 1), *arguments]
        passed = _pytest("python", arguments, own.reports)
        if everything and system_tools.program("pgbouncer"):
            print("test: once more, through PgBouncer", flush=True)
            passed &= _pytest("pgbouncer", [*arguments, "--through-pgbouncer", "tests/integration"], own.reports)
        if edge is not None:
            passed &= edge.wait() == 0
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
    sys.exit(not passed)


def chosen(arguments: Sequence[str]) -> list[str]:
    """List the arguments that choose some tests: paths, and whatever an option like `-k` has beside it."""
    return [argument for argument in arguments if not argument.startswith("-")]


def distribution(arguments: Sequence[str], cores: int) -> list[str]:
    """Give pytest's options for several processes, unless it was asked for one, or for too little to be worth it.

    A file's tests stay together, since they share what is expensive; files start in their own order, in which the slow
    ones come first.
    """
    small = any(not (ROOT / argument).is_dir() for argument in chosen(arguments))
    told = any(argument.startswith(("-n", "--numprocesses", "--dist")) for argument in arguments)
    if small or told or not _INTERACTIVE.isdisjoint(arguments):
        return []
    return [f"--numprocesses={min(cores + 1, MAX_WORKERS)}", "--dist=loadfile", "--no-loadscope-reorder"]


def _pytest(name: str, arguments: Sequence[str], reports: Path | None) -> bool:
    report = [] if reports is None else [f"--junit-xml={reports / name}.xml"]
    command = [sys.executable, "-m", "pytest", *report, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _start_edge(output: IO[bytes], reports: Path | None) -> "subprocess.Popen[bytes]":
    report = ["--reporter=default", "--reporter=junit", f"--outputFile.junit={reports}/edge.xml"] if reports else []
    command, environment = npm_command("test", "--", *report)
    if browser := system_tools.program("chromium"):
        environment["CHROMIUM"] = browser
    return subprocess.Popen(command, cwd=ROOT / "edge", env=environment, stdout=output, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    main()
