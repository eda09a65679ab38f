"""Run a connector, tool or agent of an extension in a process of its own."""

import re
import uuid
from typing import Any

import msgspec

from headwater.config import agent_environment, environment_without_settings
from headwater.extensions.discovery import Extension
from headwater.processes.process import ChildProcess
from headwater.processes.protect import kill_marked

_METHODS = {
    "headwater.agents": "headwater.agents.run:AgentMethods",
    "headwater.connectors": "headwater.extensions.methods:ConnectorMethods",
    "headwater.tools": "headwater.extensions.methods:ToolMethods",
}
_MARKER = "HEADWATER_PROCESS"
"""A variable of the environment by which what a process has started is found."""

_OF_KEYS = re.compile("KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
"""Names of variables whose values don't appear in an agent's errors."""


def display_name(extension: Extension) -> str:
    """Name an extension in messages."""
    return f"The extension {extension.package} ({extension.name})"


class ExtensionProcess(ChildProcess):
    """The process of one connector, tool or agent. `context` is for it; `secret` is removed from messages and logs."""

    def __init__(self, extension: Extension, context: Any = None, secret: str | None = None) -> None:
        is_agent = extension.group == "headwater.agents"
        environment = agent_environment() if is_agent else environment_without_settings()
        secrets = [secret] if secret else []
        secrets += [value for name, value in environment.items() if is_agent and _OF_KEYS.search(name)]
        self._marker = uuid.uuid4().hex
        environment[_MARKER] = self._marker
        super().__init__(
            _METHODS[extension.group],
            (extension, msgspec.Raw(msgspec.msgpack.encode(context))),
            name=display_name(extension),
            environment=environment,
            secrets=secrets,
        )

    def close(self) -> None:
        """Kill the process and what it has started, also what has left its session (setsid)."""
        was_started = self.is_started
        super().close()
        if was_started:
            kill_marked(_MARKER, self._marker)
