"""Run a stage's commands: in order for one target, concurrently for different targets.

Prints a line for each completed command. Transient failures, such as a new resource that is not visible everywhere
yet, are retried for a few minutes. Any other failure ends the deployment, after the command's `undo`. Our own scripts
(`python3`) are not retried: they poll by themselves.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError, is_transient, next_step
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.commands import Command

_PARALLEL = 4
_WAITS_S = (5, 10, 20, 30, 30, 30, 30)
_SHOWN_VALUES = {"OWNER_KEY": "The owner's API key. It is not shown again; use it to sign in to the web app:"}


@dataclass(frozen=True)
class ProcessResult:
    """Exit code and output of a process."""

    code: int
    stdout: str
    stderr: str


def run_process(command: Command, stdin: str) -> ProcessResult:
    """Run a command and wait for it to exit."""
    done = subprocess.run(
        programs.argv(command.program, command.arguments),
        input=stdin,
        env=programs.environment(command.program),
        cwd=programs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ProcessResult(done.returncode, done.stdout, done.stderr)


class Runner:
    """Runs commands, and stores their output as values for later commands."""

    def __init__(
        self,
        values: Values,
        report: Callable[[str], None],
        *,
        run_process: Callable[[Command, str], ProcessResult] = run_process,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._values = values
        self._report = report
        self._run_process = run_process
        self._sleep = sleep
        self._failed = threading.Event()

    def run(self, commands: Sequence[Command]) -> None:
        """Run all commands. Raises DeploymentError for the first failure, after running commands have exited."""
        if not any(command.stdout for command in commands):
            for command in commands:
                if command.stdin:
                    self._values.get(command.stdin)  # prompt now, while nothing else is printed
        by_target = sorted(commands, key=lambda command: command.target)  # stable, so the order per target stays
        groups = [list(group) for _, group in groupby(by_target, key=lambda command: command.target)]
        with ThreadPoolExecutor(_PARALLEL) as threads:
            running = [threads.submit(self._run_in_turn, group) for group in groups]
            failures = [error for future in running if (error := future.exception())]
        if failures:
            raise failures[0]

    def _run_in_turn(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if self._failed.is_set():
                return
            try:
                self._run_one(command)
            except BaseException:
                self._failed.set()
                raise

    def _run_one(self, command: Command) -> None:
        began = time.monotonic()
        if command.minutes:
            self._report(f"  … {command.line()}  ({command.minutes} min)")
        stdin = self._values.get(command.stdin) if command.stdin else ""
        filled = self._fill_placeholder(command)
        waits = iter(_WAITS_S)
        while (done := self._run_process(filled, stdin)).code:
            wait = next(waits, 0) if is_transient(done.stderr) and command.program != "python3" else 0
            if not wait:
                for undo in command.undo:
                    self._run_one(undo)
                raise DeploymentError(f"{command.line()}\n{_last_lines(done)}", next_step(done.stderr + done.stdout))
            self._report(f"  … not ready yet, retrying in {wait} s: {command.line()}")
            self._sleep(wait)
        if command.stdout:
            self._values.set(command.stdout, done.stdout)
        self._report(f"  {time.monotonic() - began:4.1f} s  {command.line()}")
        if command.show:
            self._report(f"\n  {_SHOWN_VALUES[command.show]}\n\n      {self._values.get(command.show)}\n")

    def _fill_placeholder(self, command: Command) -> Command:
        if not command.placeholder:
            return command
        value = self._values.get(command.placeholder)
        return replace(command, arguments=tuple(each.replace(command.placeholder, value) for each in command.arguments))


def _last_lines(done: ProcessResult) -> str:
    """Return the end of a command's output, which contains the reason of a failure."""
    output = done.stderr.strip() or done.stdout.strip()
    return "\n".join(f"    {line}" for line in output.splitlines()[-12:])
