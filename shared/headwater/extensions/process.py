"""Run a connector or tool of an extension in a process of its own."""

from typing import Any

import msgspec

from headwater.config import environment_without_settings
from headwater.extensions.discovery import Extension
from headwater.processes.process import ChildProcess

_METHODS = {"headwater.connectors": "ConnectorMethods", "headwater.tools": "ToolMethods"}


def display_name(extension: Extension) -> str:
    """Name an extension in messages."""
    return f"The extension {extension.package} ({extension.name})"


class ExtensionProcess(ChildProcess):
    """The process of one connector or tool. `context` is for it; `secret` is removed from messages and logs."""

    def __init__(self, extension: Extension, context: Any = None, secret: str | None = None) -> None:
        super().__init__(
            f"headwater.extensions.methods:{_METHODS[extension.group]}",
            (extension, msgspec.Raw(msgspec.msgpack.encode(context))),
            name=display_name(extension),
            environment=environment_without_settings(),
            secret=secret,
        )
