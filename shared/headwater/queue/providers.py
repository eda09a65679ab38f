"""Names of providers. A provider is a remote service as one credential sees it: an origin, a space, the credential.

When a provider asks for a pause, all steps with its name wait. A workspace's own credential therefore never delays
another workspace (docs/decisions/0017):

- `https://github.com 7d0f…`: with a token. A keyed hash of the token and the workspace.
- `https://github.com 0b9e4c1e-…`: without one. The id of the workspace, although the server may count all of an
  installation's requests: each workspace learns by its own request whether the server refuses them too.
- `https://api.openai.com installation`: with the key of the installation, for all workspaces.
"""

import hashlib
import hmac
import uuid
from urllib.parse import urlsplit

INSTALLATION = "installation"
"""Stands for the credential that all workspaces share."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_HOST_CHARS = 253
"""Longest name of a host (RFC 1035, 2.3.4). Names of providers are index keys, which have a limit too."""


def origin_of(url: str) -> str | None:
    """Return a URL's origin: scheme, host and port, without the scheme's default port. None if it has no host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    host = "".join(host.split())[:_MAX_HOST_CHARS]
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORTS.get(parts.scheme)) else "")


def credential_of(token: str, workspace_id: uuid.UUID, secret_key: str) -> str:
    """Return the keyed hash that stands for a workspace's token. It tells neither the token nor who else uses it."""
    message = f"{workspace_id}\n{token}".encode()
    return hmac.new(secret_key.encode(), message, hashlib.sha256).hexdigest()[:32]


def provider_name(origin: str, credential: str = INSTALLATION) -> str:
    """Name a service as a credential sees it: the installation's, `credential_of` a token, or a workspace's id."""
    return f"{origin} {credential}"


def server_of(provider: str) -> str:
    """Return the name of a provider's server for readers: `github.com`, `127.0.0.1:8080`."""
    origin = provider.rpartition(" ")[0]
    return origin.partition("://")[2] or origin
