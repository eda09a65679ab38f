"""Read a Worker at Cloudflare: over REST with the token of the environment, otherwise with wrangler.

wrangler finds every credential, such as that of `wrangler login`, but each start takes most of a second.
"""

import http.client
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import Json

CONFIG = "edge/wrangler.jsonc"
_API = "https://api.cloudflare.com/client/v4"
_TIMEOUT_S = 30.0
_NO_WORKER = "code: 10007"
_MISSING = (_NO_WORKER, "not found", "does not exist")
"""What wrangler prints if there is no Worker."""

_OTHER_API = ("CLOUDFLARE_COMPLIANCE_REGION", "WRANGLER_API_ENVIRONMENT")
"""Settings of wrangler that choose another API."""


def read_deployment(worker: str) -> Json | None:
    """Return the newest deployment of a Worker, {} if it has none; None if there is no Worker."""
    if not _has_token():
        status: Json | None = _wrangler(worker, "deployments", "status", "--json")
        return status
    found = _get(f"{worker}/deployments")
    return None if found is None else next(iter(found["deployments"]), {})


def read_versions(worker: str) -> list[Json]:
    """Return the ten newest versions of a Worker, in any order; [] if there is no Worker."""
    if not _has_token():
        return _wrangler(worker, "versions", "list", "--json") or []
    return list((_get(f"{worker}/versions") or {"items": []})["items"])


def read_secret_names(worker: str) -> list[str]:
    """Return the names of a Worker's secrets; [] if there is no Worker."""
    secrets = _get(f"{worker}/secrets") if _has_token() else _wrangler(worker, "secret", "list", "--format=json")
    return [each["name"] for each in secrets or []]


def _has_token() -> bool:
    names = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
    return all(map(os.environ.get, names)) and not any(map(os.environ.get, _OTHER_API))


def _get(path: str) -> Any:
    """Read a resource of a Worker. Returns None if the Worker doesn't exist; raises DeploymentError."""
    base = os.environ.get("CLOUDFLARE_API_BASE_URL", _API)
    url = f"{base}/accounts/{quote(os.environ['CLOUDFLARE_ACCOUNT_ID'], safe='')}/workers/scripts/{path}"
    token = os.environ["CLOUDFLARE_API_TOKEN"].strip()  # as wrangler does: a file ends with a line break
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=_tls()) as response:
            return json.load(response)["result"]
    except urllib.error.HTTPError as error:
        with error:
            problem = f"api.cloudflare.com: {_reason(error.read().decode(errors='replace'), error.code)}"
        if _NO_WORKER in problem:  # a proxy may say "not found", too
            return None
        raise DeploymentError.from_output(problem) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DeploymentError(
            f"api.cloudflare.com can't be reached: {error}", "check your network and proxy"
        ) from error


def _tls() -> ssl.SSLContext:
    """Trust the system's certificates and those that wrangler trusts besides."""
    context = ssl.create_default_context()
    if certificates := os.environ.get("NODE_EXTRA_CA_CERTS"):
        context.load_verify_locations(certificates)
    return context


def _reason(body: str, status: int) -> str:
    """Return Cloudflare's messages as wrangler prints them."""
    try:
        reasons = [f"{each['message']} [code: {each['code']}]" for each in json.loads(body)["errors"]]
    except (ValueError, KeyError, TypeError):
        reasons = []
    return ", ".join(reasons) or f"status {status}: {body[:300]}"


def _wrangler(worker: str, *words: str) -> Any:
    """Run wrangler and parse its output. Returns None if the Worker doesn't exist; raises DeploymentError."""
    done = subprocess.run(
        programs.argv("wrangler", (*words, f"--config={CONFIG}", f"--name={worker}")),
        env=programs.environment("wrangler"),
        cwd=programs.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = f"{done.stdout}\n{done.stderr}".strip()
        if any(text in output for text in _MISSING):
            return None
        raise DeploymentError.from_output(output)
    return json.loads(done.stdout)
