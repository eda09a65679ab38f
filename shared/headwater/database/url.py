"""Parse database URLs into pg8000's connection arguments.

Accepts SQLAlchemy's and libpq's forms: `postgresql://user:password@host:port/database`, a socket's folder as
`?host=/cloudsql/project:region:instance` or the socket itself as `?unix_sock=…/.s.PGSQL.5432`, `?sslmode=` and
`?sslrootcert=`. Unknown parameters are errors, since ignoring one could disable a security setting. Connections to
other machines use TLS and verify the certificate, unless `sslmode` says otherwise.
"""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from headwater.config import LOOPBACK_HOSTS
from headwater.errors import ConfigError

SOCKET = ".s.PGSQL."
_PARAMETERS = {"host", "unix_sock", "sslmode", "sslrootcert", "application_name"}
_SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


def connect_arguments(url: str, root_certificate: str = "") -> dict[str, Any]:
    """Parse a URL; raises ConfigError, without the password in its message, if it is invalid.

    `root_certificate` is the default for `sslrootcert`: PEM text, a file, or `system`.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError("Invalid database URL. Expected postgresql://user:password@host:5432/database.") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigError(f"Unsupported database URL {parsed.drivername}://…; only postgresql:// is supported.")
    if "channel_binding" in parsed.query:
        raise ConfigError(
            "Remove the parameter `channel_binding` from the database URL: it can't be required here. "
            "`sslmode=verify-full`, the default, authenticates the server."
        )
    if unknown := sorted(parsed.query.keys() - _PARAMETERS):
        raise ConfigError(
            f"Unknown parameter `{unknown[0]}` in a database URL. Supported: {', '.join(sorted(_PARAMETERS))}."
        )
    query = {name: str(value) for name, value in parsed.query.items()}
    arguments: dict[str, Any] = {"user": parsed.username, "password": parsed.password, "database": parsed.database}
    host = query.get("host") or unquote(parsed.host or "") or "localhost"
    if "@" in host:
        raise ConfigError("The password in a database URL contains `@`. Write it as `%40`.")
    port = parsed.port or 5432
    socket = query.get("unix_sock", host if host.startswith("/") else "")
    if socket:
        name = Path(socket).name
        arguments["unix_sock"] = socket if name.startswith(SOCKET) else f"{socket}/{SOCKET}{port}"
        return arguments | {"ssl_context": False}
    root = query.get("sslrootcert") or root_certificate
    mode = query.get("sslmode") or ("verify-full" if root or host not in LOOPBACK_HOSTS else "prefer")
    return arguments | {"host": host, "port": port, "ssl_context": tls_context(mode, root)}


def tls_context(mode: str, root_certificate: str = "") -> "ssl.SSLContext | bool | None":
    """Return pg8000's `ssl_context` for an `sslmode` of libpq: False for plain text, None for TLS if available.

    `require` encrypts; `verify-ca` also verifies the certificate, `verify-full` the host name too. As in libpq,
    `require` with a root certificate verifies like `verify-ca`.
    """
    if mode not in _SSL_MODES:
        raise ConfigError(f"Unknown sslmode {mode!r}. Use one of {', '.join(_SSL_MODES)}.")
    if mode == "disable":
        return False
    if mode == "prefer":
        return None
    context = _verifying_context(root_certificate)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not root_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context


def _verifying_context(root_certificate: str) -> ssl.SSLContext:
    """Return a context that trusts one root certificate, by default the system's certificates."""
    if root_certificate in ("", "system"):
        context = ssl.create_default_context()
    elif "-----BEGIN" in root_certificate:
        context = _load_context(cadata=root_certificate)
    elif Path(root_certificate).is_file():
        context = _load_context(cafile=root_certificate)
    else:
        raise ConfigError(f"The database's root certificate does not exist: {root_certificate}.")
    # Python 3.13's strict checks reject root certificates of providers that Postgres's own clients accept.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _load_context(**source: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(**source)  # type: ignore[arg-type]
    except ssl.SSLError as error:
        raise ConfigError(f"The database's root certificate is invalid ({error.reason}). Expected PEM.") from None
