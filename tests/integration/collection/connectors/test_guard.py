"""The address guard through every connector that opens sockets: an internal server sees no request."""

import json
import socket
import uuid
from typing import Any

import pytest

from functions.collection.connectors.registry import BuiltInKind, built_in_kinds, kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.errors import HeadwaterError
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.web_client import WebClient
from tests.fakes.web_site import Page, moved, web_site

SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "127.0.0.1.",
    "\u2460\u2461\u2466.0.0.1",
]
REDIRECTS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
]


OAUTH_CLIENT = {"client_id": "id", "client_secret": "secret of it", "refresh_token": "1//0a1b2c"}
PATHS = {"github": "/acme/handbook", "gitlab": "/acme/handbook"}
"""What follows the host in the address of a source of a kind, if it isn't `/docs`."""
KINDS = [kind for kind in built_in_kinds() if "url" in BuiltInKind(kind).describe().identity]


def use(kind: str, url: str, settings: Settings) -> list[str]:
    """Check a source, list it and fetch from it. Returns the errors."""
    errors: list[str] = []
    source = SourceOpener(settings)
    try:
        config = kind_for_new_source(kind).normalise({"url": url})
    except HeadwaterError as error:
        return [error.message]
    secret = json.dumps({**OAUTH_CLIENT, "token_uri": f"{url}token"}) if kind == "google_drive" else None
    reader = source.open(Credentials(uuid.uuid4(), kind, config, secret, None))
    for call in (reader.check, lambda: reader.list(None, frozenset())):
        try:
            call()
        except HeadwaterError as error:
            errors.append(error.message)
    return errors


@pytest.mark.parametrize("kind", KINDS)
def test_no_spelling_of_an_internal_address_is_requested(kind: str) -> None:
    settings = Settings(database_url="unused")
    with web_site() as internal:
        port = internal.origin.rpartition(":")[2]
        for host in SPELLINGS:
            assert use(kind, f"http://{host}:{port}{PATHS.get(kind, '/docs')}", settings), host
        assert internal.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_redirect_to_an_internal_address_is_followed(kind: str) -> None:
    settings = Settings(database_url="unused", fetch_private=True)
    with web_site() as site:
        for target in REDIRECTS:
            site.find = lambda path, target=target: moved(target)  # type: ignore[misc]
            assert use(kind, f"{site.origin}{PATHS.get(kind, '/docs')}", settings), target
        assert {status for _, status in site.requests} == {301}


class Rebinding:
    """Resolves a name to a public address first and to loopback then, or to both at once."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.mark.parametrize(
    "answers", [[["127.0.0.1"]], [["192.0.2.1", "127.0.0.1"]], [["127.0.0.1"], ["93.184.215.14"]], [["10.0.0.1"]]]
)
def test_name_that_leads_to_an_internal_address_is_refused(answers: list[list[str]]) -> None:
    with web_site() as internal:
        port = internal.origin.rpartition(":")[2]
        internal.pages["/"] = Page("secret")
        client = WebClient(guarded_http(allow_private=False, lookup=Rebinding(*answers)), max_bytes=1_000)
        with pytest.raises(HeadwaterError, match="not public"):
            client.get(f"http://docs.example.org:{port}/")
        assert internal.requests == []
