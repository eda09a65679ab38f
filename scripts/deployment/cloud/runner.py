"""Runs a stage's commands: those on different targets at the same time, those on one in their order.

Prints a line for each that is done. What passes by itself (something made a moment ago isn't known everywhere yet) is
tried again for some minutes; anything else ends the deployment with what to do next.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError, is_passing, next_step
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.commands import Command

_PARALLEL = 4
_WAITS_S = (5, 10, 20, 30, 30, 30, 30)
_TOLD = {"OWNER_KEY": "The first owner's API key. It is shown this once; the web app takes it as a sign-in:"}


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str


def spawn(command: Command, text: str) -> Done:
    """Run a command's process to its end, with a text as its stdin."""
    done = subprocess.run(
        programs.argv(command.program, command.arguments),
        input=text,
        env=programs.environment(command.program),
        cwd=programs.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Runner:
    """Runs commands, and keeps what they print for those after them."""

    def __init__(
        self,
        values: Values,
        say: Callable[[str], None],
        *,
        spawn: Callable[[Command, str], Done] = spawn,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._values = values
        self._say = say
        self._spawn = spawn
        self._sleep = sleep
        self._failed = threading.Event()

    def run(self, commands: Sequence[Command]) -> None:
        """Run them all; raises DeploymentError for the first that fails, after those under way have ended."""
        if not any(command.keep for command in commands):
            for command in commands:
                if command.feed:
                    self._values.get(command.feed)  # asked for now, while nothing else is being printed
        by_target = sorted(commands, key=lambda command: command.target)  # stable: each target's keep their order
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
            self._say(f"  … {command.line()}  ({command.minutes} min)")
        text = self._values.get(command.feed) if command.feed else ""
        filled = self._filled(command)
        waits = iter(_WAITS_S)
        while (done := self._spawn(filled, text)).code:
            wait = next(waits, 0) if is_passing(done.stderr) else 0
            if not wait:
                raise DeploymentError(f"{command.line()}\n{_end_of(done)}", next_step(done.stderr + done.stdout))
            self._say(f"  … again in {wait} s, what was made is not known everywhere yet: {command.line()}")
            self._sleep(wait)
        if command.keep:
            self._values.keep(command.keep, done.stdout)
        self._say(f"  {time.monotonic() - began:4.1f} s  {command.line()}")
        if command.tell:
            self._say(f"\n  {_TOLD[command.tell]}\n\n      {self._values.get(command.tell)}\n")

    def _filled(self, command: Command) -> Command:
        """Put a value where its name stands."""
        if not command.fill:
            return command
        value = self._values.get(command.fill)
        return replace(command, arguments=tuple(each.replace(command.fill, value) for each in command.arguments))


def _end_of(done: Done) -> str:
    """Give the last lines of what a command has said, which hold the reason."""
    said = done.stderr.strip() or done.stdout.strip()
    return "\n".join(f"    {line}" for line in said.splitlines()[-12:])
