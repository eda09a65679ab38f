"""Names of providers: equal for requests that a server counts together, different for all others."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.queue.providers import INSTALLATION, credential_of, origin_of, provider_name, server_of

A, B = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("url", "origin", "server"),
    [
        ("https://github.com/o/r", "https://github.com", "github.com"),
        ("https://GitHub.com:443/o/r", "https://github.com", "github.com"),
        ("http://github.com/o/r", "http://github.com", "github.com"),
        ("http://127.0.0.1:8080/r", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://[2001:db8::1]:8443/r", "https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("mail://imap.example.com:993", "mail://imap.example.com:993", "imap.example.com:993"),
    ],
)
def test_origin_is_scheme_host_and_port(url: str, origin: str, server: str) -> None:
    assert origin_of(url) == origin
    assert server_of(provider_name(origin, str(A))) == server


@pytest.mark.parametrize("url", ["file:///srv/r", "", "https://", "https://[::1", "https://h:99999/", "https://h:x/"])
def test_url_without_a_valid_host_has_no_origin(url: str) -> None:
    assert origin_of(url) is None


def test_credentials_differ_by_token_workspace_and_installation() -> None:
    tokens = [
        credential_of(token, workspace, key) for token in ("t", "u") for workspace in (A, B) for key in ("k", "l")
    ]
    assert len(set(tokens)) == 8
    assert credential_of("t", A, "k") == credential_of("t", A, "k")
    assert "t" not in credential_of("ttttttttt", A, "k")


@given(st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_no_url_makes_the_name_of_another_credential(host: str, port: str) -> None:
    """Whatever a workspace enters as a URL, its name ends with its own credential and never equals a shared one."""
    origin = origin_of(f"https://{host}:{port}/r") or "git"
    name = provider_name(origin, str(A))
    assert name.split() == [origin, str(A)]
    assert name != provider_name(origin.partition(" ")[0])
    assert not name.endswith(INSTALLATION)


def test_long_hosts_are_cut() -> None:
    """Names are keys of an index, whose rows have at most 2,704 bytes."""
    assert len(provider_name(origin_of(f"https://{'a' * 5000}.example/r") or "", str(A))) < 400
