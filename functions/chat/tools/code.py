"""Tools that run code in the sandbox. Each call has a sandbox of its own, of which nothing remains but its output."""

import threading
from typing import Annotated

import msgspec

from functions.chat.tools.text import decode
from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import SandboxUnavailable, find_sandbox
from headwater.tools import Tool, ToolContext

MAX_CODE_CHARS = 100_000
MAX_AT_ONCE = 2
"""Commands that an instance runs at once. Others wait."""

_running = threading.BoundedSemaphore(MAX_AT_ONCE)

_HERE = "No network, no other files; 60 s, 512 MiB. Nothing remains for the next call. Print the result."


class PythonArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run."""

    code: Annotated[str, msgspec.Meta(max_length=MAX_CODE_CHARS, description="A Python program.")]


class RunPython(Tool[PythonArguments]):
    """A Python program."""

    name = "run_python"
    description = f"Runs a Python program with the standard library, for calculations and conversions. {_HERE}"
    arguments_type = PythonArguments

    def run(self, _: ToolContext, arguments: PythonArguments) -> str:
        """Run it."""
        return _run(["python3", "main.py"], {"main.py": arguments.code.encode(errors="replace")})


class CommandArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run."""

    command: Annotated[str, msgspec.Meta(max_length=MAX_CODE_CHARS, description="A command line of /bin/sh.")]


class RunCommand(Tool[CommandArguments]):
    """A command of the shell."""

    name = "run_command"
    description = f"Runs a command line of /bin/sh, with the programs of a small Linux system. {_HERE}"
    arguments_type = CommandArguments

    def run(self, _: ToolContext, arguments: CommandArguments) -> str:
        """Run it."""
        return _run(["/bin/sh", "command.sh"], {"command.sh": arguments.command.encode(errors="replace")})


def is_available() -> bool:
    """Return whether this system can run code safely. Tries it once."""
    try:
        find_sandbox()
    except SandboxUnavailable:
        return False
    return True


def _run(command: list[str], given: dict[str, bytes]) -> str:
    limits = Limits()
    with _running:
        outcome = find_sandbox().run(command, given, limits)
    return f"{outcome.describe(limits)}\n\n{decode(outcome.output) or '(It printed nothing.)'}"
