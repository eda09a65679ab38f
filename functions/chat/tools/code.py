"""Tools that run code in the sandbox, in a folder with the conversation's files.

Each call has a sandbox of its own. What remains of it is its output, and the files that it has changed: new versions,
which are added when the call ends.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Protocol

import msgspec

from functions.chat.files.files import ConversationFiles
from functions.chat.tools.files import Changed
from functions.chat.tools.text import decode
from functions.chat.tools.working_folder import MAX_LAID_BYTES, choose, describe_left_out, find_changes
from headwater.errors import UserError
from headwater.file_store.versions import NewVersion
from headwater.sandbox.limits import Limits, Outcome
from headwater.sandbox.runner import CommandRunner
from headwater.tools import Tool, ToolContext

MAX_CODE_CHARS = 100_000
MAX_AT_ONCE = 2
"""Commands that an instance runs at once. Others wait."""

_running = threading.BoundedSemaphore(MAX_AT_ONCE)

_HERE = (
    "It runs in a folder with the conversation's files (list_files); files that it writes there become new versions, "
    "which the person can open. Nothing else remains for the next call. No network; 60 s, 512 MiB. Print the result."
)


class Output(Protocol):
    """Where the output of a running program is shown."""

    def write(self, output: bytes) -> None:
        """Show output."""

    def is_stopped(self) -> bool:
        """Return whether the program must end. Called several times a second; shows what was written before."""


class PythonArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run."""

    code: Annotated[str, msgspec.Meta(max_length=MAX_CODE_CHARS, description="A Python program.")]


class CommandArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run."""

    command: Annotated[str, msgspec.Meta(max_length=MAX_CODE_CHARS, description="A command line of /bin/sh.")]


class _Runs:
    def __init__(
        self, files: ConversationFiles, output_of: Callable[[str], Output], sandbox: Callable[[], CommandRunner]
    ) -> None:
        """`output_of` returns where the output of a call is shown, by its key."""
        self._files = files
        self._output_of = output_of
        self._sandbox = sandbox

    def _run(self, program: str, path: str, code: str, context: ToolContext) -> Changed:
        """Run a program, which is written to `path` in the folder. Versions before the call stay."""
        limits = Limits()
        with _running:
            stored = {
                file.path: file.version
                for file in self._files.list_files()
                if file.version is not None and file.path != path
            }
            sandbox = self._sandbox()
            sizes = ((name, version.bytes) for name, version in stored.items())
            chosen, too_large = choose(sizes, min(MAX_LAID_BYTES, sandbox.max_given_bytes))
            before = self._files.read_all([stored[name] for name in chosen])
            output = self._output_of(context.call_key)
            outcome = sandbox.run(
                [program, path],
                {**before, path: code.encode(errors="replace")},
                limits,
                on_output=output.write,
                is_stopped=output.is_stopped,
            )
            changes = find_changes(before, outcome, path)
            versions, problem = self._stage(changes.files)
        notes = [
            describe_left_out("Too large for the folder, so the program did not find them", too_large),
            describe_left_out("Not stored", changes.left_out),
            problem,
        ]
        return Changed("\n\n".join([_report(outcome, limits), *filter(None, notes)]), versions)

    def _stage(self, changed: Mapping[str, bytes | None]) -> tuple[list[NewVersion], str]:
        """Store contents. Returns the versions to add, or why there are none."""
        try:
            return self._files.stage_all(changed), ""
        except UserError as error:
            return [], f"The files that it wrote are not stored. {error.message}"


class RunPython(_Runs, Tool[PythonArguments]):
    """A Python program."""

    name = "run_python"
    description = (
        "Runs a Python program, for calculations, conversions and pictures. It has the standard library, and numpy, "
        f"pandas and matplotlib if they are installed. {_HERE}"
    )
    arguments_type = PythonArguments

    def run(self, context: ToolContext, arguments: PythonArguments) -> Changed:
        """Run it."""
        return self._run("python3", ".program.py", arguments.code, context)


class RunCommand(_Runs, Tool[CommandArguments]):
    """A command of the shell."""

    name = "run_command"
    description = f"Runs a command line of /bin/sh, with the programs of a small Linux system. {_HERE}"
    arguments_type = CommandArguments

    def run(self, context: ToolContext, arguments: CommandArguments) -> Changed:
        """Run it."""
        return self._run("/bin/sh", ".program.sh", arguments.command, context)


def _report(outcome: Outcome, limits: Limits) -> str:
    return f"{outcome.describe(limits)}\n\n{decode(outcome.output) or '(It printed nothing.)'}"
