"""Connectors that raise and hang, and a parser that does either, as the file says."""

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from headwater.connectors import Connector, Entry, Fetched, Listing
from headwater.parsers import Parsed


class Config(msgspec.Struct):
    contents: tuple[str, ...] = ()


class Raises(Connector[Config]):
    title = "Raises"
    config_type = Config

    def list(self, config: Config, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        if not config.contents:
            raise RuntimeError("the server speaks another language")
        return Listing("", [Entry(f"{content}.broken", content) for content in config.contents])

    def fetch(self, config: Config, secret: str | None, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        for entry in entries:
            yield Fetched(entry.key, entry.fingerprint.encode(), "application/x-broken")


class Hangs(Raises):
    title = "Hangs"

    def list(self, config: Config, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        while True:
            pass


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    if content == b"hangs":
        time.sleep(3600)
    if content == b"raises":
        raise ValueError("not a letter")
    return Parsed(f"# {content.decode()}\n")
