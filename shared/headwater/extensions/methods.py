"""The methods of each contract, as the process of an extension serves them."""

import sys
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec

from headwater.connectors import (
    Connector,
    ConnectorContext,
    Entry,
    Fetched,
    Listing,
    SourceKind,
    decode_config,
    describe,
)
from headwater.errors import PermanentError
from headwater.extensions.discovery import Extension
from headwater.tools import Tool, ToolContext, ToolDescription, describe_tool, run_tool


def load(extension: Extension) -> Any:
    """Import an extension's object, from a file of the folder of agents if the target is one."""
    if extension.target.endswith(".py"):
        return _load_file(Path(extension.target))
    return EntryPoint(extension.name, extension.target, extension.group).load()


def _load_file(path: Path) -> Any:
    """Import a file by its path, and return what it binds to `agent` or `graph`."""
    spec = spec_from_file_location(f"headwater_agent_{path.stem}", path)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    found = getattr(module, "agent", None) or getattr(module, "graph", None)
    if found is None:
        raise PermanentError(f"{path.name} doesn't define `agent` or `graph`.")
    return found


class ExtensionMethods:
    """Base class of the methods of a contract. The first call imports the extension's object."""

    def __init__(self, extension: Extension, context: msgspec.Raw) -> None:
        self.extension = extension
        self.context = context

    @cached_property
    def target(self) -> Any:
        return load(self.extension)

    def _subclass_of(self, contract: type) -> Any:
        if not (isinstance(self.target, type) and issubclass(self.target, contract)):
            raise PermanentError(f"{self.extension.target} is not a subclass of {contract.__name__}.")
        return self.target


class ConnectorMethods(ExtensionMethods):
    """The methods of a connector."""

    @cached_property
    def connector(self) -> type[Connector[Any]]:
        connector: type[Connector[Any]] = self._subclass_of(Connector)
        return connector

    @cached_property
    def opened(self) -> Connector[Any]:
        return self.connector.open(msgspec.msgpack.decode(self.context, type=ConnectorContext))

    def describe(self) -> Iterator[SourceKind]:
        yield describe(self.extension.name, self.connector)

    def normalise(self, config: Any) -> Iterator[Any]:
        yield decode_config(self.connector, config)

    def check(self, config: Any, secret: str | None) -> Iterator[bool]:
        self.opened.check(decode_config(self.connector, config), secret)
        yield True

    def list(self, config: Any, secret: str | None, cursor: str | None, known: frozenset[str]) -> Iterator[Listing]:
        yield self.opened.list(decode_config(self.connector, config), secret, cursor, known)

    def fetch(self, config: Any, secret: str | None, snapshot: str, entries: tuple[Entry, ...]) -> Iterator[Fetched]:
        yield from self.opened.fetch(decode_config(self.connector, config), secret, snapshot, entries)


class ToolMethods(ExtensionMethods):
    """The methods of a tool."""

    @cached_property
    def tool(self) -> type[Tool[Any]]:
        tool: type[Tool[Any]] = self._subclass_of(Tool)
        if tool.name != self.extension.name:
            raise PermanentError(
                f"The tool is called {tool.name!r}, but the name of its entry point is {self.extension.name!r}."
            )
        return tool

    def describe(self) -> Iterator[ToolDescription]:
        yield describe_tool(self.tool)

    def run(self, arguments: Any) -> Iterator[Any]:
        yield run_tool(self.tool(), msgspec.msgpack.decode(self.context, type=ToolContext), arguments)
