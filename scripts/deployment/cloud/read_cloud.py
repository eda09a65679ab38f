"""Read Google Cloud resources over REST with gcloud's credential and configuration.

Concurrent REST reads take about a second for a whole project; the same gcloud commands take a minute. gcloud's
`api_endpoint_overrides`, proxy and certificates apply here too.
"""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError

Json = Mapping[str, Any]

_PARALLEL = 8
_TIMEOUT_S = 30.0
_MIN_TOKEN_LIFE_S = 240
"""Longer than a stage's reads take, and less than the 300 s of remaining life at which gcloud renews its token."""

# These APIs need not be enabled in the project. Requests to all others are billed to the project.
_NO_QUOTA_PROJECT = {"cloudbilling", "cloudresourcemanager", "iam", "serviceusage"}
_GCLOUD_NAMES = {"sqladmin": "sql"}
"""APIs whose name in gcloud's `api_endpoint_overrides` differs from their host name."""


@dataclass(frozen=True)
class GoogleCloud:
    """Client for Google Cloud's REST APIs, configured like gcloud."""

    token: str
    project: str
    account: str
    overrides: Mapping[str, str]
    proxy: str
    certificates: str
    """Path of a CA bundle; '' for the system's."""

    expires_at: datetime | None = None
    """When the token expires; None if gcloud doesn't know, as for an explicit access token."""

    def get(self, api: str, path: str, **query: str | int | Sequence[str]) -> Json | None:
        """Read a resource. Returns None if it doesn't exist or its API is not enabled."""
        return self._request(api, path + (f"?{urlencode(query, doseq=True)}" if query else ""), None)

    def post(self, api: str, path: str, body: Json) -> Json | None:
        """Read with a POST request, which some `:getIamPolicy` methods require."""
        return self._request(api, path, json.dumps(body).encode())

    def all(self, api: str, path: str, items: str, **query: str | int | Sequence[str]) -> Iterator[Json]:
        """Read all pages of a list."""
        token = ""
        while True:
            page = self.get(api, path, **query, **({"pageToken": token} if token else {})) or {}
            yield from page.get(items, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _request(self, api: str, path: str, body: bytes | None) -> Json | None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if api.partition("-run")[0] not in _NO_QUOTA_PROJECT and api not in _NO_QUOTA_PROJECT:
            headers["X-Goog-User-Project"] = self.project
        request = urllib.request.Request(self._base(api) + path, data=body, headers=headers)
        proxies = {"proxies": {"http": self.proxy, "https": self.proxy}} if self.proxy else {}
        tls = urllib.request.HTTPSHandler(context=_tls(self.certificates))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(**proxies), tls)
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as response:
                content: Json = json.load(response)
                return content
        except urllib.error.HTTPError as error:
            with error:
                _raise_unless_missing(error.code, error.read().decode(errors="replace"), api)
                return None
        except (OSError, ValueError) as error:
            raise DeploymentError(
                f"{api}.googleapis.com can't be reached: {error}", "check your network and gcloud's proxy settings"
            ) from error

    def _base(self, api: str) -> str:
        """Return an API's base URL. `REGION-run` is a region's Cloud Run API; the override of `storage` has a path."""
        region, _, name = api.rpartition("-")
        override = self.overrides.get(_GCLOUD_NAMES.get(name, name), "")
        if not override:
            return f"https://{api}.googleapis.com"
        scheme, _, rest = override.partition("://")
        return f"{scheme}://{region}-{rest}".removesuffix("/") if region else _host_of(override)


@cache
def _tls(certificates: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates or None)


def _host_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _raise_unless_missing(status: int, body: str, api: str) -> None:
    """Return if the resource doesn't exist; raise DeploymentError for any other error."""
    if status == 404 or (status == 403 and ("SERVICE_DISABLED" in body or "accessNotConfigured" in body)):
        return
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = body[:300]
    raise DeploymentError.from_output(f"{api}.googleapis.com: {message}")


def connect(project: str) -> GoogleCloud:
    """Read gcloud's credential and configuration. Raises DeploymentError if gcloud has no credential."""
    command = [programs.gcloud_path(), "config", "config-helper", "--format=json"]
    done = subprocess.run(command, env=programs.environment("gcloud"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeploymentError(
            done.stderr.strip().partition("\n")[0] or "gcloud has no credential",
            "run: gcloud auth login (on a machine without a browser: gcloud auth login --cred-file=FILE)",
        )
    helper = json.loads(done.stdout)
    properties, expiry = helper["configuration"]["properties"], helper["credential"].get("token_expiry")
    proxy, core = properties.get("proxy", {}), properties.get("core", {})
    return GoogleCloud(
        token=helper["credential"]["access_token"],
        project=project,
        account=core.get("account", ""),
        overrides=properties.get("api_endpoint_overrides", {}),
        proxy=f"http://{proxy['address']}:{proxy['port']}" if proxy.get("address") and proxy.get("port") else "",
        certificates=core.get("custom_ca_certs_file", ""),
        expires_at=datetime.fromisoformat(expiry) if expiry else None,
    )


def with_fresh_token(google: GoogleCloud, connect: Callable[[str], GoogleCloud] = connect) -> GoogleCloud:
    """Reconnect if the token may expire during a stage's reads: building images can take longer than it lives."""
    min_life = timedelta(seconds=_MIN_TOKEN_LIFE_S)
    is_fresh = google.expires_at is None or google.expires_at - datetime.now(UTC) > min_life
    return google if is_fresh else connect(google.project)


def read_concurrently(reads: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run several reads concurrently and return their results in order."""
    with ThreadPoolExecutor(_PARALLEL) as threads:
        return [future.result() for future in [threads.submit(read) for read in reads]]


def escaped(name: str) -> str:
    """Escape a name for use in a URL path."""
    return quote(name, safe="")
