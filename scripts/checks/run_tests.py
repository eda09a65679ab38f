"""Run the tests: the command behind `scripts/test`.

pytest runs the Python tests in several processes, vitest runs those of `edge/` at the same time. Then the tests with a
database run again through PgBouncer in transaction mode, and some of them on a database set up as by Supabase. If
arguments select Python tests, only those run.
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

# One process more than there are cores, because many tests wait for other processes. Each has its own Postgres.
MAX_WORKERS = 8
# A debugger needs the test in this process.
_INTERACTIVE = {"--pdb", "--trace", "-s", "--capture=no", "--collect-only", "--co"}

# Tests of what depends on the owner's rights and on pgvector's schema.
_AS_SUPABASE = [
    f"tests/integration/{path}"
    for path in (
        "chat/retrieval",
        "collection/pipeline/test_collect.py",
        "headwater/database",
        "headwater/embedding/test_vector_index.py",
    )
]


def main() -> None:
    """Install the tools that tests need and run the tests. Exits with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="scripts/test", add_help=False, allow_abbrev=False)
    parser.add_argument("--reports", type=Path)
    options, arguments = parser.parse_known_args()
    system_tools.install()
    everything = not selecting_arguments(arguments)
    with TemporaryFile() as output:
        edge = _start_edge(output, options.reports) if everything else None
        arguments = [*distribution(arguments, os.cpu_count() or 1), *arguments]
        passed = _pytest("python", arguments, options.reports)
        if everything and system_tools.program("pgbouncer"):
            print("test: running the tests with a database again, through PgBouncer", flush=True)
            passed &= _pytest("pgbouncer", [*arguments, "--through-pgbouncer", "tests/integration"], options.reports)
        if everything:
            print("test: running tests with a database again, set up as by Supabase", flush=True)
            supabase = [*arguments, "--as-supabase", *_AS_SUPABASE]
            passed &= _pytest("supabase", supabase, options.reports)
        if edge is not None:
            passed &= edge.wait() == 0
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
    sys.exit(not passed)


def selecting_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that select tests: paths, and values of options such as `-k`."""
    return [argument for argument in arguments if not argument.startswith("-")]


def distribution(arguments: Sequence[str], cores: int) -> list[str]:
    """Return pytest's options for several processes; none for single files, a debugger, or explicit options.

    The tests of a file run in one process, since they share expensive fixtures. Files start in collection order.
    """
    small = any(not (ROOT / argument).is_dir() for argument in selecting_arguments(arguments))
    is_explicit = any(argument.startswith(("-n", "--numprocesses", "--dist")) for argument in arguments)
    if small or is_explicit or not _INTERACTIVE.isdisjoint(arguments):
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
