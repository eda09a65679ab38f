"""The tool that builds a page from the conversation's files, with Vite and React in the sandbox."""

import threading
from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec

from functions.chat.files.files import ConversationFiles
from functions.chat.streams.tool_parts import BuildState
from functions.chat.tools.files import Changed
from functions.chat.tools.text import clean
from functions.chat.tools.working_folder import choose, describe_left_out
from headwater.sandbox.front_end import OUT, build
from headwater.sandbox.runner import CommandRunner
from headwater.tools import Tool, ToolContext

MAX_SOURCE_BYTES = 20 * 1024**2
MAX_LOG_CHARS = 8_000
MAX_AT_ONCE = 1
"""Builds that an instance runs at once. Others wait."""

_running = threading.BoundedSemaphore(MAX_AT_ONCE)


class BuildOutput(Protocol):
    """Where a build and its output are shown."""

    def write(self, output: bytes) -> None:
        """Show output."""

    def is_stopped(self) -> bool:
        """Return whether the build must end. Called often; shows what was written before."""

    def show_build(self, status: BuildState, log: str = "", page: str = "") -> None:
        """Show how far the build is, at its end the page's path."""


class BuildArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page."""

    folder: Annotated[
        str, msgspec.Meta(max_length=500, description="The folder with index.html. Empty: the top folder.")
    ] = ""


class BuildPage(Tool[BuildArguments]):
    """The page's log, and its files in `dist`."""

    name = "build_page"
    description = (
        "Builds a web page with Vite from the files of this conversation: from index.html and the scripts and styles "
        'that it loads, such as `<script type="module" src="src/main.jsx">`. Write the files first. React 19 and '
        "react-dom are there, JSX, TypeScript and CSS; no other packages, no network. Returns the log. If the build "
        "fails, mend the files and build again. The result is `dist/index.html`, which the person can download, and "
        "sees as a preview: without network and localStorage, so keep all data in the page."
    )
    arguments_type = BuildArguments

    def __init__(
        self, files: ConversationFiles, output_of: Callable[[str], BuildOutput], sandbox: Callable[[], CommandRunner]
    ) -> None:
        self._files = files
        self._output_of = output_of
        self._sandbox = sandbox

    def run(self, context: ToolContext, arguments: BuildArguments) -> Changed:
        """Build it. A build that fails changes no file."""
        top = arguments.folder.strip("/.")
        folder = f"{top}/" if top else ""
        stored = {
            file.path: file.version
            for file in self._files.list_files()
            if file.version is not None and file.path.startswith(folder)
        }
        old = {path for path in stored if path.startswith(f"{folder}{OUT}")}
        chosen, left_out = choose(
            ((path, version.bytes) for path, version in stored.items() if path not in old), MAX_SOURCE_BYTES
        )
        contents = self._files.read_all([stored[path] for path in chosen])
        sources = {path.removeprefix(folder): content for path, content in contents.items()}
        output = self._output_of(context.call_key)
        with _running:
            output.show_build("running")
            built = build(self._sandbox(), sources, on_output=output.write, is_stopped=output.is_stopped)
        log = clean(built.log[-MAX_LOG_CHARS:])
        if built.succeeded:
            output.show_build("succeeded", log, f"{folder}{OUT}index.html")
        else:
            output.show_build("failed", log)
        missing = describe_left_out("Too large together, so the build did not find them", left_out)
        if not built.succeeded:
            return Changed("\n\n".join(filter(None, ("The build failed.", log, missing))), [])
        site: dict[str, bytes | None] = {f"{folder}{OUT}{path}": content for path, content in built.files.items()}
        versions = self._files.stage_all(site | dict.fromkeys(old - site.keys()))
        return Changed("\n\n".join(filter(None, ("The build succeeded.", log, missing))), versions)
