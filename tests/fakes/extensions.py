"""Extensions that misbehave: they raise, hang, crash, grow and return nonsense. Imported by their own process only."""

import base64
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote

import msgspec

from headwater.connectors import Connector, Entry, Fetched, Listing
from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.parsers import Block, Parsed
from headwater.tools import Tool, ToolContext


class Action(msgspec.Struct):
    """What the connector does when it lists."""

    do: str


def repeat_encoded(secret: str | None) -> str:
    """Return a text with a secret in several encodings and with control characters."""
    text = str(secret)
    encoded = base64.b64encode(f"user:{text}".encode()).decode()
    return f"\x1b]0;x\x07{text!r} {quote(text, safe='')} {encoded} https://me:{quote(text)}@host/\u202e\n" + "x" * 2_000


class Misbehaving(Connector[Action]):
    """Does in `list` what its config says."""

    title = "Misbehaving"
    config_type = Action

    def list(self, config: Action, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        match config.do:
            case "raise":
                raise RuntimeError(f"boom with {secret}")
            case "raise upstream":
                raise UpstreamError("The server asks for a pause.", retry_after_s=7)
            case "raise permanent":
                raise PermanentError("The feed is gone.")
            case "raise systemic":
                raise SystemicError(f"The token {secret} is wrong.")
            case "raise encoded":
                raise PermanentError(repeat_encoded(secret))
            case "raise encoded unexpectedly":
                raise KeyError(repeat_encoded(secret))
            case "skip":
                return Listing("1", [Entry("a.md", "1")], skipped=[("b.md", repeat_encoded(secret))])
            case "sleep":
                time.sleep(3600)
            case "hold the interpreter":  # no other thread runs while a pattern is matched
                re.match(r"(a+)+$", "a" * 40 + "b")
            case "exit":
                os._exit(3)
            case "crash":
                os.kill(os.getpid(), 11)
            case "grow":
                bytearray(4 * 1024**3)
            case "return text":
                return "no listing"  # type: ignore[return-value]
            case "return much":
                return Listing("", [Entry("a" * 1000 + str(n), "f") for n in range(1000)])
            case "return twice":
                return Listing("", [Entry("a.md", "1"), Entry("a.md", "2")])
            case "tell":
                names = sorted(name for name in os.environ if name.endswith(("_URL", "_KEY")))
                return Listing(",".join(names), [Entry("a.md", str(os.getpid()))], cursor=cursor)
        raise SystemExit

    def fetch(self, config: Action, secret: str | None, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        for entry in entries:
            if entry.key == "hang.md":
                time.sleep(3600)
            if entry.key == "refused.md":
                yield Fetched(entry.key, None, "", error=repeat_encoded(secret))
                continue
            if entry.key == "other.md":
                yield Fetched("unknown.md", b"", "text/markdown")
            yield Fetched(entry.key, b"x" * 1000, "text/markdown")


def parse(name: str, content: bytes, media_type: str) -> Any:
    """Do what the file says."""
    match content:
        case b"raise":
            raise ValueError("not a letter")
        case b"sleep":
            time.sleep(3600)
        case b"hold the interpreter":
            re.match(r"(a+)+$", "a" * 60 + "b")
        case b"exit":
            os._exit(3)
        case b"crash":
            os.kill(os.getpid(), 11)
        case b"grow":
            bytearray(4 * 1024**3)
        case b"return text":
            return "no result"
        case b"return a bad block":
            return Parsed("text", blocks=(Block("text", 0, 99, ()),))
        case b"return NUL":
            return Parsed("\0")
    return Parsed(content.decode())


class Echo(Tool[Action]):
    """Returns what it gets, or too much, or nothing for an hour."""

    name = "echo"
    description = "Returns its argument."
    arguments_type = Action

    def run(self, context: ToolContext, arguments: Action) -> Any:
        match arguments.do:
            case "return much":
                return "a" * 300_000
            case "sleep":
                time.sleep(3600)
            case "leave a process":
                return subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True).pid
        return {"do": arguments.do, "caller": context.caller, "settings": context.settings}


NOT_A_CONNECTOR = 1
