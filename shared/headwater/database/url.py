"""Where a database is: a URL as people are given it flows in, what pg8000 connects with flows out.

Understood are SQLAlchemy's URLs and libpq's: `postgresql://user:password@host:port/database`, a socket's folder as
`?host=/cloudsql/project:region:instance` or the socket itself as `?unix_sock=…/.s.PGSQL.5432`, `?sslmode=` and
`?sslrootcert=`. What isn't understood is refused: it might be what keeps somebody safe.
"""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from headwater.errors import ConfigError

SOCKET = ".s.PGSQL."
_KNOWN = {"host", "unix_sock", "sslmode", "sslrootcert", "application_name"}
_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


def connect_arguments(url: str, root_certificate: str = "") -> dict[str, Any]:
    """Read a URL; raises ConfigError, without the password, when it can't be one of a database.

    `root_certificate` is what `sslrootcert` is where the URL doesn't say: PEM itself, a file of it, or `system`.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError("A database URL can't be read: postgresql://user:password@host:5432/database.") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigError(f"A database URL begins with {parsed.drivername}: only Postgres will do.")
    if unknown := sorted(parsed.query.keys() - _KNOWN):
        raise ConfigError(f"A database URL has `{unknown[0]}`, which isn't known here. Known: {', '.join(_KNOWN)}.")
    said = {name: str(value) for name, value in parsed.query.items()}
    found: dict[str, Any] = {"user": parsed.username, "password": parsed.password, "database": parsed.database}
    host = said.get("host") or unquote(parsed.host or "") or "localhost"
    port = parsed.port or 5432
    socket = said.get("unix_sock", host if host.startswith("/") else "")
    if socket:
        name = Path(socket).name
        found["unix_sock"] = socket if name.startswith(SOCKET) else f"{socket}/{SOCKET}{port}"
        return found | {"ssl_context": False}
    root = said.get("sslrootcert") or root_certificate
    mode = said.get("sslmode") or ("verify-full" if root else "prefer")
    return found | {"host": host, "port": port, "ssl_context": tls_context(mode, root)}


def tls_context(mode: str, root_certificate: str = "") -> "ssl.SSLContext | bool | None":
    """Give what pg8000 does as libpq does with this `sslmode`: `False` for plain text, None for TLS if there is any.

    `require` encrypts; `verify-ca` also verifies whose certificate it is, `verify-full` the host's name too. As in
    libpq, `require` with a root certificate verifies as `verify-ca` does.
    """
    if mode not in _MODES:
        raise ConfigError(f"sslmode is {mode!r}; known are {', '.join(_MODES)}.")
    if mode == "disable":
        return False
    if mode == "prefer":
        return None
    context = _trusting(root_certificate)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not root_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(root_certificate: str) -> ssl.SSLContext:
    """Make a context that trusts one root certificate, or those of the system when none is named."""
    if root_certificate in ("", "system"):
        context = ssl.create_default_context()
    elif "-----BEGIN" in root_certificate:
        context = _loaded(cadata=root_certificate)
    elif Path(root_certificate).is_file():
        context = _loaded(cafile=root_certificate)
    else:
        raise ConfigError(f"The database's root certificate is not there: {root_certificate}.")
    # Python 3.13 asks more of certificates than Postgres's own clients do, and than providers' own roots have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _loaded(**where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(**where)  # type: ignore[arg-type]
    except ssl.SSLError as error:
        raise ConfigError(f"The database's root certificate can't be read ({error.reason}): PEM is expected.") from None
