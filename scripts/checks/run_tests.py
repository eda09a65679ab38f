"""Run the tests: the command behind `scripts/test`.

pytest runs the Python tests in several processes. At the same time, vitest runs the tests of `edge/`, and tests with a
database run again on a database set up as by Supabase, behind PgBouncer in transaction mode. If arguments select Python
tests, only those run.

Failed Python tests and failed files of vitest run once more when everything else has ended: some fail only because the
machine is busy. Their names are printed, and what fails twice is a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from scripts.checks import system_tools
from scripts.checks.memory import temporary_folder
from scripts.setup import BUILT_WORKER, ROOT, WEB_APP, npm_command

# More processes than there are cores, because many tests wait for other processes. Each has its own Postgres. Unit
# tests wait for none, and each process spends seconds on importing and collecting them.
EXTRA_WORKERS = 3
MAX_WORKERS = 8
MAX_SECOND_TRIES = 20
"""If more tests fail, or files of vitest, the reason is not a busy machine."""

# A debugger needs the test in this process.
_INTERACTIVE = {"--pdb", "--trace", "-s", "--capture=no", "--collect-only", "--co"}

# Tests of what depends on the owner's rights, on pgvector's schema, or on what a connection keeps between transactions:
# settings, locks, temporary tables, prepared statements, streams of COPY. Other code only uses these parts.
_AS_SUPABASE = [
    f"tests/integration/{path}"
    for path in (
        "chat/retrieval/test_concurrent_changes.py",
        "chat/retrieval/test_search.py",
        "chat/retrieval/test_words.py",
        "chat/streams/test_group_commit.py",
        "chat/streams/test_resume.py",
        "collection/pipeline/test_collect.py",
        "collection/runs/test_locks.py",
        "headwater/auth",
        "headwater/database",
        "headwater/embedding/test_vector_index.py",
        "headwater/queue",
        "job/test_execution.py",
    )
]


class Background:
    """A command that runs while others do. Its output is printed at its end."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._output = TemporaryFile()  # noqa: SIM115 - finish() closes it
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=self._output, stderr=subprocess.STDOUT
        )

    def finish(self) -> bool:
        """Wait for the end and print the output. Returns whether the command succeeded."""
        status = self._process.wait()
        with self._output as output:
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
        return status == 0


def main() -> None:
    """Install the tools that tests need and run the tests. Exits with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="scripts/test", add_help=False, allow_abbrev=False)
    parser.add_argument("--reports", type=Path)
    options, arguments = parser.parse_known_args()
    system_tools.install()
    python = [*distribution(arguments, os.cpu_count() or 1), *arguments]
    if selecting_arguments(arguments):
        sys.exit(not _run(pytest_command("python", python, options.reports)))
    with temporary_folder("hw-") as folder:  # a short name: paths of sockets have at most 107 characters
        os.environ["TMPDIR"] = str(folder)
        sys.exit(not _run_everything(python, arguments, options.reports, folder))


def _run_everything(python: Sequence[str], arguments: Sequence[str], reports: Path | None, failures: Path) -> bool:
    """Run all tests. `failures` is a folder for the names of those that fail. Returns whether all passed."""
    edge_report = (reports or failures) / "edge.xml"
    edge_report.unlink(missing_ok=True)  # vitest writes none if it fails to start
    edge = Background(*edge_command(edge_report))
    # One process compiles the tests for all others, or each would: that is two thirds of the time of collecting them.
    compiling = [sys.executable, "-m", "pytest", "--collect-only", "-qq"]
    subprocess.run(compiling, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    as_supabase = [*arguments, "--as-supabase"]
    again = [*as_supabase, f"--failures={failures / 'supabase'}", *_AS_SUPABASE]
    supabase = Background(pytest_command("supabase", again, reports), ROOT)
    python_passed = _run(pytest_command("python", [*python, f"--failures={failures / 'python'}"], reports))
    print("test: some tests with a database again, set up as by Supabase, behind PgBouncer", flush=True)
    supabase_passed = supabase.finish()
    print("test: the web app and the Worker", flush=True)
    edge_passed = edge.finish()
    python_passed = python_passed or run_again(failures / "python", arguments)
    supabase_passed = supabase_passed or run_again(failures / "supabase", as_supabase)
    edge_passed = edge_passed or run_files_again(edge_report)
    return python_passed and supabase_passed and edge_passed


def run_again(failures: Path, arguments: Sequence[str]) -> bool:
    """Run failed tests once more, one after the other. Returns whether all passed.

    `failures` is a file with their names, one a line. It is missing if pytest itself failed.
    """
    names = failures.read_text().splitlines() if failures.exists() else []
    if not 0 < len(names) <= MAX_SECOND_TRIES:
        return False
    print("test: these failed, and run once more:", *names, sep="\n  ", flush=True)
    return _run([sys.executable, "-m", "pytest", *arguments, *names])


def run_files_again(report: Path) -> bool:
    """Run the failed files of vitest's report once more. Returns whether all passed.

    Their results in the report are replaced: if a hook failed, the report says of tests that they were skipped. Errors
    outside of tests are failures at once: the report does not say for certain which file they are from.
    """
    try:
        first = ET.parse(report)
    except (OSError, ET.ParseError):
        return False
    failed = {suite.get("name", ""): suite for suite in first.iter("testsuite") if suite.get("failures") != "0"}
    if first.getroot().get("errors") != "0" or not 0 < len(failed) <= MAX_SECOND_TRIES:
        return False
    print("test: these failed, and run once more:", *failed, sep="\n  ", flush=True)
    again = report.with_suffix(".again")
    command, folder, environment = edge_command(again, *failed)
    passed = subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0
    if passed:
        for suite in failed.values():
            first.getroot().remove(suite)
        first.getroot().extend(ET.parse(again).iter("testsuite"))
        first.write(report, encoding="utf-8", xml_declaration=True)
    return passed


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
    folders = selecting_arguments(arguments)
    extra = 0 if folders and all(folder.startswith("tests/unit") for folder in folders) else EXTRA_WORKERS
    return [f"--numprocesses={min(cores + extra, MAX_WORKERS)}", "--dist=loadfile", "--no-loadscope-reorder"]


def pytest_command(name: str, arguments: Sequence[str], reports: Path | None) -> list[str]:
    """Return the command of a pytest run, whose JUnit report has the name `name`."""
    report = [] if reports is None else [f"--junit-xml={reports / name}.xml"]
    return [sys.executable, "-m", "pytest", *report, *arguments]


def edge_command(report: Path, *files: str) -> tuple[list[str], Path, dict[str, str]]:
    """Return the command of vitest, its folder and its environment. Without files, all run."""
    reporters = ["--reporter=default", "--reporter=junit", f"--outputFile.junit={report}"]
    command, environment = npm_command("test", "--", *reporters, *files)
    environment |= {"BUILT_APP": str(WEB_APP), "BUILT_WORKER": str(BUILT_WORKER)}
    if browser := system_tools.program("chromium"):
        environment["CHROMIUM"] = browser
    return command, ROOT / "edge", environment


def _run(command: Sequence[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    main()
