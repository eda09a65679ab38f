"""Database URLs of hosting providers: connection arguments, TLS, and errors for invalid URLs."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from headwater.database.url import connect_arguments, tls_context
from headwater.errors import ConfigError


def user_and_address(url: str) -> Any:
    """Return the user, and the socket or host and port."""
    arguments = connect_arguments(url)
    return arguments["user"], arguments.get("unix_sock") or (arguments["host"], arguments["port"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+pg8000://app:s@db.example.com/postgres", ("app", ("db.example.com", 5432))),
        ("postgres://app:s@db.example.com:6543/postgres", ("app", ("db.example.com", 6543))),
        (
            "postgresql://app.abcdefghijklmnopqrst:s@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
            ("app.abcdefghijklmnopqrst", ("aws-0-eu-central-1.pooler.supabase.com", 6543)),
        ),
        ("postgresql://app:s@/db?host=/cloudsql/p:r:i", ("app", "/cloudsql/p:r:i/.s.PGSQL.5432")),
        ("postgresql://app:s@/db?unix_sock=/cloudsql/p:r:i/.s.PGSQL.5432", ("app", "/cloudsql/p:r:i/.s.PGSQL.5432")),
        ("postgresql://app:s@%2Fvar%2Frun%2Fpostgresql/db", ("app", "/var/run/postgresql/.s.PGSQL.5432")),
        ("postgresql://app:s@:6000/db?host=/tmp", ("app", "/tmp/.s.PGSQL.6000")),
        ("postgresql://app:s@[::1]:6000/db", ("app", ("::1", 6000))),
        ("postgresql://app:s@/db", ("app", ("localhost", 5432))),
    ],
)
def test_url_selects_host_or_socket(url: str, expected: Any) -> None:
    assert user_and_address(url) == expected
    assert connect_arguments(url)["password"] == "s"


def test_percent_encoded_password_is_decoded() -> None:
    for encoded in ("a%40b:c", "a%40b%3Ac", "%61%40%62%3a%63"):
        assert connect_arguments(f"postgresql://app:{encoded}@db.example.com/db")["password"] == "a@b:c"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("secret", "Invalid database URL"),
        ("mysql://app:secret@db.example.com/db", "only postgresql"),
        ("postgresql://app:secret@db.example.com/db?options=-csearch_path%3Dx", "`options`"),
        ("postgresql://app:secret@db.example.com/db?channel_binding=require", "Remove the parameter `channel_binding`"),
        ("postgresql://app:a@secret@db.example.com/db", "contains `@`. Write it as `%40`"),
        ("postgresql://app:secret@db.example.com/db?sslmode=maybe", "sslmode 'maybe'"),
        ("postgresql://app:secret@db.example.com/db?sslrootcert=/nowhere/ca.pem&sslmode=verify-ca", "/nowhere/ca.pem"),
    ],
)
def test_invalid_url_is_rejected_without_revealing_the_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        connect_arguments(url)
    assert "secret" not in str(raised.value)


def test_invalid_root_certificate_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    for root in (str(tmp_path / "ca.pem"), (tmp_path / "ca.pem").read_text()):
        with pytest.raises(ConfigError, match="Expected PEM"):
            tls_context("verify-ca", root)


def test_tls_context_follows_sslmode() -> None:
    assert tls_context("disable") is False
    assert tls_context("prefer") is None
    contexts = [tls_context(mode) for mode in ("require", "verify-ca", "verify-full")]
    assert all(isinstance(context, ssl.SSLContext) for context in contexts)
    verified = [(c.verify_mode.name, c.check_hostname) for c in contexts if isinstance(c, ssl.SSLContext)]
    assert verified == [("CERT_NONE", False), ("CERT_REQUIRED", False), ("CERT_REQUIRED", True)]


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.5", "postgres", "[2001:db8::1]"])
def test_connections_to_other_machines_verify_certificate_and_host_by_default(host: str) -> None:
    context = connect_arguments(f"postgresql://app:s@{host}/db")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert connect_arguments(f"postgresql://app:s@{host}/db?sslmode=disable")["ssl_context"] is False


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_connections_to_this_machine_need_no_tls(host: str) -> None:
    assert connect_arguments(f"postgresql://app:s@{host}/db")["ssl_context"] is None


def test_unix_socket_disables_tls() -> None:
    assert connect_arguments("postgresql://app:s@/db?host=/cloudsql/p:r:i&sslmode=verify-full")["ssl_context"] is False
