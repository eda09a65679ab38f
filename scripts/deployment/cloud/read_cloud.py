"""What is there: gcloud's own credential and configuration flow in, a project's resources flow out as JSON.

Reads over REST, several at a time: everything there is to know takes about a second so, and a minute by as many gcloud
commands. It reads where gcloud itself would: its `api_endpoint_overrides`, proxy and certificates count here too.
"""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
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
_LOOK_S = 240
"""More than a look takes, and less than the 300 s below which gcloud gets another token, whomever it gets it from."""

# These answer for gcloud itself, whether or not the project has them enabled; all others are asked on the project's
# account.
_FREE = {"cloudbilling", "cloudresourcemanager", "iam", "serviceusage"}
_GCLOUD_NAMES = {"sqladmin": "sql"}
"""Names of APIs in gcloud's `api_endpoint_overrides` that aren't those of their hosts."""


@dataclass(frozen=True)
class Google:
    """Google Cloud's REST APIs, as gcloud is configured to reach them."""

    token: str
    project: str
    account: str
    overrides: Mapping[str, str]
    proxy: str
    certificates: str
    """A file of certificate authorities, '' for the system's."""

    expires_at: datetime | None = None
    """When the token does; None where gcloud can't tell, as of a token that it was given."""

    def get(self, api: str, path: str, **query: str | int) -> Json | None:
        """Read a resource; None when there is none, or when its API has never been enabled."""
        return self._ask(api, path + (f"?{urlencode(query)}" if query else ""), None)

    def post(self, api: str, path: str, body: Json) -> Json | None:
        """Read by POST, as some methods want it."""
        return self._ask(api, path, json.dumps(body).encode())

    def all(self, api: str, path: str, items: str, **query: str | int) -> Iterator[Json]:
        """Read a list to its end, page by page."""
        token = ""
        while True:
            page = self.get(api, path, **query, **({"pageToken": token} if token else {})) or {}
            yield from page.get(items, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _ask(self, api: str, path: str, body: bytes | None) -> Json | None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if api.partition("-run")[0] not in _FREE and api not in _FREE:
            headers["X-Goog-User-Project"] = self.project
        request = urllib.request.Request(self._base(api) + path, data=body, headers=headers)
        proxies = {"proxies": {"http": self.proxy, "https": self.proxy}} if self.proxy else {}
        secure = urllib.request.HTTPSHandler(context=_tls(self.certificates))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(**proxies), secure)
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as response:
                answer: Json = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                _check_missing(error.code, error.read().decode(errors="replace"), api)
                return None
        except (OSError, ValueError) as error:
            raise DeploymentError(
                f"{api}.googleapis.com can't be read: {error}", "look at the network, and at gcloud's proxy settings"
            ) from error

    def _base(self, api: str) -> str:
        """Give an API's base URL; `REGION-run` is Cloud Run's in a region, `storage` has a path of its own."""
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


def _check_missing(status: int, said: str, api: str) -> None:
    """Return for what isn't there; raises DeploymentError for everything else."""
    if status == 404 or (status == 403 and ("SERVICE_DISABLED" in said or "accessNotConfigured" in said)):
        return
    try:
        message = json.loads(said)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = said[:300]
    raise DeploymentError.told(f"{api}.googleapis.com: {message}")


def connect(project: str) -> Google:
    """Ask gcloud for its credential and its configuration; raises DeploymentError when nobody is logged in."""
    command = [programs.gcloud_path(), "config", "config-helper", "--format=json"]
    done = subprocess.run(command, env=programs.environment("gcloud"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeploymentError(
            done.stderr.strip().partition("\n")[0] or "gcloud has no credential",
            "gcloud auth login, or for a machine: gcloud auth login --cred-file=FILE",
        )
    told = json.loads(done.stdout)
    properties, expiry = told["configuration"]["properties"], told["credential"].get("token_expiry")
    proxy, core = properties.get("proxy", {}), properties.get("core", {})
    return Google(
        token=told["credential"]["access_token"],
        project=project,
        account=core.get("account", ""),
        overrides=properties.get("api_endpoint_overrides", {}),
        proxy=f"http://{proxy['address']}:{proxy['port']}" if proxy.get("address") and proxy.get("port") else "",
        certificates=core.get("custom_ca_certs_file", ""),
        expires_at=datetime.fromisoformat(expiry) if expiry else None,
    )


def renewed(google: Google, connect: Callable[[str], Google] = connect) -> Google:
    """Give the same with a token that is good for a look: images and databases take longer than one may live."""
    is_good = google.expires_at is None or google.expires_at - datetime.now(UTC) > timedelta(seconds=_LOOK_S)
    return google if is_good else connect(google.project)


def at_once(reads: Iterable[Callable[[], Any]]) -> list[Any]:
    """Make several reads at the same time; returns their results in order."""
    with ThreadPoolExecutor(_PARALLEL) as threads:
        return [future.result() for future in [threads.submit(read) for read in reads]]


def escaped(name: str) -> str:
    """Write a name as a part of a path."""
    return quote(name, safe="")
