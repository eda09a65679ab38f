"""The address guard through every connector that opens sockets: an internal server sees no connection.

The matrix is made from the registry: a new kind fails `test_every_kind_is_in_the_matrix` until it has a row.
"""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pytest

from functions.collection.connectors.registry import built_in_kinds, kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import Entry
from headwater.errors import HeadwaterError
from headwater.outbound import guarded_socket
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.tunnels import running_tunnels
from tests.fakes.web_site import moved, web_site
from tests.harness.sshd import make_key

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
METADATA = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "100.100.100.200",
    "168.63.129.16",
]
REDIRECTS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
]
PUBLIC = "93.184.215.14"
OAUTH_CLIENT = {"client_id": "id", "client_secret": "secret of it", "refresh_token": "1//0a1b2c"}


class Row(NamedTuple):
    """How a kind is led to a server: its config and secret, by host and port, and an entry to fetch."""

    kind: str
    config: Callable[[str, int], dict[str, Any]]
    secret: Callable[[str, int], str | None] = lambda _host, _port: None
    fingerprint: str = "1"
    is_http: bool = True


def at(path: str) -> Callable[[str, int], dict[str, Any]]:
    return lambda host, port: {"url": f"http://{host}:{port}{path}"}


def google_secret(host: str, port: int) -> str:
    return json.dumps({**OAUTH_CLIENT, "token_uri": f"http://{host}:{port}/token"})


def mail_secret(host: str, port: int) -> str:
    return json.dumps({**OAUTH_CLIENT, "token_url": f"https://{host}:{port}/token"})


def mail_config(host: str, port: int) -> dict[str, Any]:
    return {"host": host.strip("[]"), "port": port, "user": "ada"}


def ssh_config(host: str, port: int) -> dict[str, Any]:
    return {"url": f"ssh://git@{host}:{port}/acme/handbook.git", "host_key": f"SHA256:{'A' * 43}"}


ROWS = {
    "bucket": Row("bucket", at("/docs")),
    "confluence": Row("confluence", at("/wiki"), fingerprint="page.1.1.ENG"),
    "confluence attachment": Row("confluence", at("/wiki"), fingerprint="attachment.att1.1."),
    "feed": Row("feed", at("/feed.xml")),
    "git": Row("git", at("/acme/handbook"), fingerprint="a" * 40),
    "git over SSH": Row("git", ssh_config, lambda _host, _port: ssh_key(), "a" * 40, is_http=False),
    "github": Row("github", at("/acme/handbook")),
    "gitlab": Row("gitlab", at("/acme/handbook")),
    "google_drive": Row("google_drive", at(""), google_secret, "file-id-of-ten.file.1"),
    "mail": Row("mail", mail_config, lambda _host, _port: "password", is_http=False),
    "mail by OAuth": Row("mail", mail_config, mail_secret, is_http=False),
    "notion": Row("notion", at(""), lambda _host, _port: "ntn_0123456789", "11111111-1111-1111-1111-111111111111@x"),
    "site": Row("site", at("/docs")),
    "wordpress": Row("wordpress", at("/")),
}
WITHOUT_SOCKETS = {"folder", "uploads"}
KEYS: list[str] = []


def ssh_key() -> str:
    return KEYS[0]


@pytest.fixture(scope="module", autouse=True)
def _key(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("key") / "key"
    make_key(path, "ed25519")
    KEYS[:] = [path.read_text()]


class Internal:
    """An internal server that counts connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.connections += 1
                peer.close()


@contextmanager
def internal_server() -> Iterator[Internal]:
    internal = Internal()
    internal.thread.start()
    try:
        yield internal
    finally:
        with suppress(OSError):
            internal.listener.shutdown(socket.SHUT_RDWR)
        internal.listener.close()
        internal.thread.join(30)


def use(row: Row, host: str, port: int, **settings: Any) -> list[str]:
    """Check a source, list it and fetch from it. Returns the errors; each call has to fail."""
    try:
        config = kind_for_new_source(row.kind).normalise(row.config(host, port))
    except HeadwaterError as error:
        return [error.message]
    opener = SourceOpener(Settings(database_url="unused", **settings))
    reader = opener.open(Credentials(uuid.uuid4(), row.kind, config, row.secret(host, port), None))
    errors = []
    entries = [Entry("issues/1" if "git" in row.kind else "key", row.fingerprint)]
    calls: tuple[Callable[[], Any], ...] = (
        reader.check,
        lambda: reader.list(None, frozenset()),
        lambda: [file for file in reader.fetch("", entries) if file.error is None],
    )
    for call in calls:
        try:
            assert not call()
        except HeadwaterError as error:
            errors.append(error.message)
    return errors


def test_every_kind_is_in_the_matrix() -> None:
    assert {row.kind for row in ROWS.values()} | WITHOUT_SOCKETS == set(built_in_kinds())
    assert {row.kind for row in ROWS.values()} & WITHOUT_SOCKETS == set()


@pytest.mark.parametrize("name", ROWS)
def test_each_row_connects_where_private_addresses_are_allowed(name: str) -> None:
    with internal_server() as internal, running_tunnels(internal.port) as proxy:
        use(ROWS[name], "127.0.0.1", internal.port, fetch_private=True)
        assert (internal.connections > 0, proxy.targets) == (True, [])
        use(ROWS[name], "127.0.0.1", internal.port, fetch_private=True, fetch_proxy=proxy.url)
        assert set(proxy.targets) == {f"127.0.0.1:{internal.port}"}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("through", ["directly", "through a proxy"])
def test_no_spelling_of_an_internal_address_is_connected_to(name: str, through: str) -> None:
    with internal_server() as internal, running_tunnels(internal.port) as proxy:
        settings = {"fetch_proxy": proxy.url} if through == "through a proxy" else {}
        for host in SPELLINGS:
            assert use(ROWS[name], host, internal.port, **settings), host
        assert (internal.connections, proxy.targets) == (0, [])


@pytest.mark.parametrize("name", ROWS)
def test_metadata_is_refused_even_where_private_addresses_are_allowed(name: str) -> None:
    with internal_server() as internal, running_tunnels(internal.port) as proxy:
        for host in METADATA:
            assert use(ROWS[name], host, 80, fetch_private=True, fetch_proxy=proxy.url), host
        assert (internal.connections, proxy.targets) == (0, [])


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.is_http])
def test_no_redirect_to_an_internal_address_is_followed(name: str) -> None:
    with web_site() as site:
        host, _, port = site.origin.removeprefix("http://").partition(":")
        for target in REDIRECTS:
            site.find = lambda path, target=target: moved(target)  # type: ignore[misc]
            assert use(ROWS[name], host, int(port), fetch_private=True), target
        assert {status for _, status in site.requests} == {301}


class Rebinding:
    """Resolves a name to several addresses, one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


def rebind(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Resolve all names by `Rebinding` in the clients that connectors get."""
    lookup = Rebinding(*answers)
    for client in (guarded_http, guarded_socket.connect_guarded):
        monkeypatch.setitem(client.__kwdefaults__ or {}, "lookup", lookup)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "answers",
    [[["127.0.0.1"]], [[PUBLIC, "127.0.0.1"]], [["10.0.0.1"]], [["169.254.169.254"]]],
    ids=lambda answers: " then ".join("+".join(one) for one in answers),
)
def test_name_that_leads_to_an_internal_address_is_refused(
    name: str, answers: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with internal_server() as internal, running_tunnels(internal.port) as proxy:
        for settings in ({}, {"fetch_proxy": proxy.url}):
            rebind(monkeypatch, *answers)
            assert use(ROWS[name], "docs.example.org", internal.port, **settings)
        assert (internal.connections, proxy.targets) == (0, [])


@pytest.mark.parametrize("name", ROWS)
def test_name_that_is_rebound_after_its_check_is_not_looked_up_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with internal_server() as internal, running_tunnels(internal.port) as proxy:
        rebind(monkeypatch, [PUBLIC], ["127.0.0.1"])
        assert use(ROWS[name], "docs.example.org", internal.port, fetch_proxy=proxy.url)
        assert proxy.targets in ([], [f"{PUBLIC}:{internal.port}"])
