"""An example extension for Headwater: a connector, a parser and a tool. docs/extending.md explains it."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta

from headwater.connectors import Connector, Entry, Fetched, Listing
from headwater.errors import PermanentError, UnprocessableContent
from headwater.parsers import Parsed
from headwater.tools import Tool, ToolContext


class HelloConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is greeted. Headwater draws the form for a new source from this struct."""

    names: Annotated[tuple[str, ...], Meta(title="Names", description="One document each.", examples=[["Ada"]])]
    greeting: Annotated[str, Meta(title="Greeting", min_length=1)] = "Hello"


class HelloConnector(Connector[HelloConfig]):
    """Lists a greeting for each name; a real connector would ask a server with `self.context.http()`."""

    title = "Greetings"
    help = "An example: makes a document for each name."
    config_type = HelloConfig

    def check(self, config: HelloConfig, secret: str | None) -> None:
        if not config.names:
            raise UnprocessableContent("Enter at least one name.")

    def list(self, config: HelloConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        entries = [Entry(f"{name}.hello", sha256(_letter(config, name)).hexdigest()) for name in config.names]
        return Listing(snapshot="", entries=entries)

    def fetch(
        self, config: HelloConfig, secret: str | None, snapshot: str, entries: Sequence[Entry]
    ) -> Iterator[Fetched]:
        for entry in entries:
            letter = _letter(config, entry.key.removesuffix(".hello"))
            yield Fetched(entry.key, letter, "application/x-hello")


def _letter(config: HelloConfig, name: str) -> bytes:
    return f"To: {name}\n\n{config.greeting}, {name}!".encode()


def parse_hello(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a letter: its first line has the addressee, who becomes the heading of the Markdown text."""
    to, _, body = content.decode().partition("\n\n")
    if not to.startswith("To: "):
        raise PermanentError("the letter has no addressee")
    return Parsed(text=f"# {to.removeprefix('To: ')}\n\n{body}\n", front_matter={"format": "hello"})


class GreetArguments(msgspec.Struct):
    """What the model fills in."""

    name: Annotated[str, Meta(description="Who is greeted.", min_length=1)]


class Greet(Tool[GreetArguments]):
    """Greets by name."""

    name = "greet"
    description = "Write a greeting. Use it when the user asks for one."
    arguments_type = GreetArguments
    read_only = True  # it changes nothing, so it runs without an approval

    def run(self, context: ToolContext, arguments: GreetArguments) -> dict[str, str]:
        return {"greeting": f"{context.settings.get('greeting', 'Hello')}, {arguments.name}!"}
