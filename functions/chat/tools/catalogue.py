"""All tools that agents may have in this installation, for a workspace's settings."""

from collections.abc import Sequence
from typing import Any

from functions.chat.tools.build_page import BuildPage
from functions.chat.tools.calculate import Calculate
from functions.chat.tools.code import RunCommand, RunPython
from functions.chat.tools.delegate import Delegate
from functions.chat.tools.files import EditFile, ListFiles, ReadFile, WriteFile
from functions.chat.tools.knowledge import (
    GrepDocuments,
    ListDocuments,
    ReadDocument,
    RecentChanges,
    Related,
    SearchKnowledge,
)
from functions.chat.tools.toolbox import describe_added
from functions.chat.tools.web import FetchPage, WebSearch
from headwater.errors import HeadwaterError
from headwater.extensions.tools import tool_names
from headwater.tools import Tool, ToolDescription, describe_tool

BUILT_IN: Sequence[type[Tool[Any]]] = (
    BuildPage,
    Calculate,
    Delegate,
    EditFile,
    FetchPage,
    GrepDocuments,
    ListDocuments,
    ListFiles,
    ReadDocument,
    ReadFile,
    RecentChanges,
    Related,
    RunCommand,
    RunPython,
    SearchKnowledge,
    WebSearch,
    WriteFile,
)
"""Without `ask_user`, which needs no approval. Which of them an agent is offered depends on the settings."""


def describe_all() -> list[ToolDescription]:
    """Describe built-in tools and those of extensions, in the order of their names. Broken ones have no description."""
    built_in = [describe_tool(tool) for tool in BUILT_IN]
    names = {tool.name for tool in built_in}
    added = [_describe(name) for name in tool_names() if name not in names]
    return sorted([*built_in, *added], key=lambda tool: tool.name)


def is_built_in(name: str) -> bool:
    """Return whether a tool is Headwater's own."""
    return any(tool.name == name for tool in BUILT_IN)


def _describe(name: str) -> ToolDescription:
    try:
        return describe_added(name)
    except HeadwaterError:
        return ToolDescription(name, "", {})
