"""Tools that installed extensions add; each call runs in a process of its own."""

from typing import Any

from headwater.errors import UnprocessableContent
from headwater.extensions import discovery
from headwater.extensions.discovery import Extension
from headwater.extensions.process import ExtensionProcess
from headwater.tools import MAX_RESULT_BYTES, TIMEOUT_S, ToolContext, ToolDescription

DESCRIBE_S = 10.0


class ExtensionTool:
    """A tool of an extension."""

    def __init__(self, extension: Extension, timeout_s: float = TIMEOUT_S) -> None:
        self.extension = extension
        self.timeout_s = timeout_s

    def describe(self) -> ToolDescription:
        """Describe the tool for a model; raises ProcessFailed or PermanentError if it cannot be loaded."""
        with ExtensionProcess(self.extension) as process:
            return process.call("describe", kind=ToolDescription, timeout_s=DESCRIBE_S)

    def run(self, context: ToolContext, arguments: object) -> Any:
        """Run the tool, as `headwater.tools.run_tool` does; raises ProcessStopped after `timeout_s`."""
        with ExtensionProcess(self.extension, context) as process:
            return process.call("run", arguments, kind=object, timeout_s=self.timeout_s, max_bytes=MAX_RESULT_BYTES)


def tool_names() -> list[str]:
    """List the names of all installed tools."""
    return discovery.names("headwater.tools")


def open_tool(name: str) -> ExtensionTool:
    """Return a tool by its name; raises UnprocessableContent if it is not installed, SystemicError if it is twice."""
    extension = discovery.find_extension("headwater.tools", name)
    if extension is None:
        raise UnprocessableContent(f"The tool {name!r} isn't installed. Install the package that adds it.")
    return ExtensionTool(extension)
