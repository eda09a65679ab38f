"""The tool contract: something that an agent may call, with arguments described by a JSON Schema.

An installed package adds tools with entry points in the group `headwater.tools` (docs/extending.md).
"""

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from headwater.errors import PermanentError, UnprocessableContent
from headwater.schemas import explain, object_schema

if TYPE_CHECKING:
    from headwater.blobs import Blobs
    from headwater.outbound.guarded_http import GuardedHttp

MAX_RESULT_BYTES = 256_000
"""Longest result as JSON: an agent's model reads all of it."""

TIMEOUT_S = 60.0
"""How long one call may take. An extension is stopped then; other tools limit their own waits."""


class ToolDescription(msgspec.Struct, frozen=True):
    """What a model is told about a tool; `arguments_schema` is a JSON Schema. `read_only`: as `Tool` has it."""

    name: str
    description: str
    arguments_schema: dict[str, Any]
    read_only: bool = False


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a tool runs, and what it may use.

    `caller` is the subject who asked, `settings` what the workspace has set for this tool. Fetch only with `http()`,
    which refuses private addresses unless `allow_private` is set. Blobs below `blob_prefix` belong to the tool.
    `call_key` identifies the call: a service that takes an idempotency key can be given it.
    """

    workspace_id: uuid.UUID
    caller: str
    settings: dict[str, Any]
    blob_url: str
    blob_prefix: str
    allow_private: bool
    call_key: str = ""

    def http(self) -> "GuardedHttp":
        """Return a client for addresses that users or models name. It gives an exchange up after 60 s."""
        from headwater.outbound.guarded_http import guarded_http

        return guarded_http(allow_private=self.allow_private)

    def blobs(self) -> "Blobs":
        """Return the blob store."""
        from headwater.blobs import shared_blobs

        return shared_blobs(self.blob_url)


Arguments = TypeVar("Arguments", bound=msgspec.Struct)


class Tool(ABC, Generic[Arguments]):
    """A tool. The description tells a model when to use it; titles and descriptions of the arguments' fields help.

    `read_only`: calls change nothing outside. Then they need no approval unless the workspace's owner asks for it, and
    a call that was interrupted is repeated.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    arguments_type: ClassVar[type[msgspec.Struct]]
    read_only: ClassVar[bool] = False

    @abstractmethod
    def run(self, context: ToolContext, arguments: Arguments) -> Any:
        """Do the work and return a result that msgspec encodes as JSON.

        Raises UserError with a message for the model if the arguments cannot be used; UpstreamError or PermanentError
        for other failures.
        """


def describe_tool(tool: type[Tool[Any]]) -> ToolDescription:
    """Describe a tool for a model."""
    return ToolDescription(tool.name, tool.description, object_schema(tool.arguments_type), tool.read_only)


def run_tool(tool: Tool[Any], context: ToolContext, arguments: object) -> Any:
    """Check arguments that came as JSON, run the tool, and return its result as JSON values.

    Raises UnprocessableContent for arguments of another shape, PermanentError for a result over `MAX_RESULT_BYTES`, and
    what the tool raises.
    """
    try:
        decoded = msgspec.convert(arguments, tool.arguments_type)
    except msgspec.ValidationError as error:
        raise UnprocessableContent(
            f"Invalid arguments for {tool.name}: {explain(error, tool.arguments_type)}"
        ) from error
    result = msgspec.json.encode(tool.run(context, decoded))
    if len(result) > MAX_RESULT_BYTES:
        raise PermanentError(
            f"The result of {tool.name} has {len(result):,} bytes, more than the limit of {MAX_RESULT_BYTES:,}."
        )
    return msgspec.json.decode(result)
