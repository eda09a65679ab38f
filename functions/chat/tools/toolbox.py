"""The tools of an agent: described in a stable order, and run within limits. Errors are results for the model, too."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from functions.chat.mcp_servers.remote_tools import RemoteTool
from functions.chat.tools.approvals import Approval
from functions.chat.tools.files import Changed
from functions.chat.tools.knowledge import Found
from functions.chat.tools.text import clean
from functions.chat.web.ranking import Evidence
from headwater import logs
from headwater.errors import DatabaseUnavailable, HeadwaterError, LeaseLost
from headwater.extensions.tools import ExtensionTool, open_tool, tool_names
from headwater.file_store.versions import NewVersion
from headwater.schemas import explain
from headwater.tools import Tool, ToolContext, ToolDescription, describe_tool

FAILED = "The tool failed for a reason that is no fault of the arguments. Go on without it."


class Result(msgspec.Struct, frozen=True):
    """What a call returned: a text for the model, or passages, which the agent numbers, and a note on them.

    `versions` of files are added with the end of the call.
    """

    text: str = ""
    passages: Sequence[Evidence] = ()
    note: str = ""
    versions: Sequence[NewVersion] = ()
    is_error: bool = False


class Toolbox:
    """Built-in tools, those of extensions, and those of MCP servers, by name."""

    def __init__(self, tools: Sequence[Tool[Any]], remote: Mapping[str, RemoteTool] = MappingProxyType({})) -> None:
        self._built_in: Mapping[str, Tool[Any]] = {tool.name: tool for tool in tools}
        self._added = [name for name in tool_names() if name not in self._built_in]
        self._remote = {name: remote[name] for name in remote if name not in {*self._built_in, *self._added}}

    def describe(self) -> list[ToolDescription]:
        """Describe the tools in the order of their names, so that providers can cache prompts. Skips broken ones."""
        found = [describe_tool(type(tool)) for tool in self._built_in.values()]
        for name in self._added:
            try:
                found.append(describe_added(name))
            except HeadwaterError as error:
                logs.event("tool.broken", severity=30, tool=name, error=error)
        found += [tool.description for tool in self._remote.values()]
        return sorted(found, key=lambda tool: tool.name)

    def may_repeat(self, name: str) -> bool:
        """Return whether a call that was interrupted may be made again: that of a tool that changes nothing."""
        return name in self._built_in or self._is_read_only(name)

    def default_approval(self, name: str) -> Approval:
        """Return when calls need an approval if the workspace's owner has not said so."""
        return "never" if self.may_repeat(name) else "always"

    def call(self, name: str, context: ToolContext, arguments: Any) -> Result:
        """Run a tool. Errors become results; raises only what says that this process can't go on."""
        try:
            return self._call(name, context, arguments)
        except (DatabaseUnavailable, LeaseLost):
            raise
        except HeadwaterError as error:
            return Result(clean(error.message), is_error=True)
        except Exception as error:  # noqa: BLE001 - the boundary: a tool's fault must not end the agent
            logs.event("tool.failed", severity=40, tool=name, error=error)
            return Result(FAILED, is_error=True)

    def accepts(self, name: str, arguments: Any) -> bool:
        """Return False if a call can only fail: there is no such tool, or a built-in one refuses the arguments."""
        tool = self._built_in.get(name)
        if tool is None:
            return name in self._added or name in self._remote
        try:
            msgspec.convert(arguments, tool.arguments_type)
        except msgspec.ValidationError:
            return False
        return True

    def _is_read_only(self, name: str) -> bool:
        try:
            return name in self._added and describe_added(name).read_only
        except HeadwaterError:  # it is broken, and a call says how
            return False

    def _call(self, name: str, context: ToolContext, arguments: Any) -> Result:
        if name in self._remote:
            return Result(clean(self._remote[name].call(arguments)))
        tool = self._built_in.get(name)
        if tool is None and name not in self._added:
            names = ", ".join(sorted([*self._built_in, *self._added, *self._remote]))
            return Result(f"There is no tool {clean(name, 100)!r}. There are: {names}.", is_error=True)
        if tool is None:
            value = ExtensionTool(open_tool(name).extension).run(context, arguments)
        else:
            try:
                decoded = msgspec.convert(arguments, tool.arguments_type)
            except msgspec.ValidationError as error:
                return Result(f"Invalid arguments for {name}: {explain(error, tool.arguments_type)}", is_error=True)
            value = tool.run(context, decoded)
        if isinstance(value, Found):
            return Result(passages=value.passages, note=value.note)
        if isinstance(value, Changed):
            return Result(clean(value.text), versions=value.versions)
        return Result(clean(value if isinstance(value, str) else msgspec.json.encode(value).decode()))


@cache
def describe_added(name: str) -> ToolDescription:
    """Describe a tool of an extension. Raises HeadwaterError if it is broken."""
    return open_tool(name).describe()
