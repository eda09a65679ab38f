"""Fake of Cloudflare's API, as far as wrangler uses it to deploy a Worker. Part of `tests/fakes/google_cloud.py`."""

import json
import re
from typing import Any

WORKERS = "/client/v4/accounts/account/workers"


class NoWorker(Exception):
    """The Worker doesn't exist; answered with 404."""


class Worker:
    """One Worker: its versions, their shares of the traffic, its secrets, domains and bindings."""

    def __init__(self) -> None:
        self.versions: list[dict[str, Any]] = []
        self.traffic: list[dict[str, Any]] = []
        self.deployments: list[dict[int, float]] = []
        """The shares of the traffic over time, by the versions' numbers."""

        self.secrets: dict[str, str] = {}
        self.domains: list[str] = []
        self.bindings: list[dict[str, Any]] = []

    def add_version(self, annotations: dict[str, str]) -> dict[str, Any]:
        """Add a version, which gets no traffic yet."""
        number = len(self.versions) + 1
        version = {
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "number": number,
            "metadata": {
                "created_on": f"2026-11-25T10:00:{number:02d}Z",
                "source": "wrangler",
                "author_email": "a@b.c",
            },
            "annotations": annotations,
            "resources": {
                "bindings": self.bindings,
                "script": {"etag": "etag", "handlers": ["fetch"]},
                "script_runtime": {"usage_model": "standard"},
            },
        }
        self.versions.append(version)
        return version

    def upload(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Add a version from an upload. Its secrets are added to those that exist."""
        self.secrets |= {each["name"]: each["text"] for each in metadata["bindings"] if each["type"] == "secret_text"}
        self.bindings = metadata["bindings"]
        return self.add_version(metadata.get("annotations", {}))

    def serve(self, shares: list[dict[str, Any]]) -> None:
        """Distribute the traffic to versions, which must exist."""
        known = {version["id"] for version in self.versions}
        assert {each["version_id"] for each in shares} <= known, shares
        assert sum(each["percentage"] for each in shares) == 100, shares
        self.traffic = shares
        self.deployments.append(self.percents())

    def percents(self) -> dict[int, float]:
        """Return the shares of the traffic by the versions' numbers."""
        numbers = {version["id"]: version["number"] for version in self.versions}
        return {numbers[each["version_id"]]: each["percentage"] for each in self.traffic}

    def answer(self, verb: str, path: str, body: Any) -> Any:
        """Answer a request below `…/workers`. Returns None for an unknown request."""
        kind, rest = _parts(path)
        match verb, f"{kind}{rest}":
            case "GET", "services":
                self._require(self.versions)
                return {
                    "default_environment": {"environment": "production", "script": {"last_deployed_from": "wrangler"}}
                }
            case ("PUT", "scripts") | ("POST", "scripts/versions"):
                version = self.upload(metadata_of(body))
                if verb == "PUT":
                    self.serve([{"version_id": version["id"], "percentage": 100}])
                return version | {"startup_time_ms": 1}
            case "POST", "scripts/deployments":
                self.serve(body["versions"])
                return {"id": "deployment"}
            case "GET", "client/accounts/account/storage/kv/namespaces":
                return []
            case "DELETE", "services":
                self.versions, self.traffic, self.secrets, self.domains, self.bindings = [], [], {}, [], []
                return {}
            case "POST", "scripts/domains/changeset":
                return {"added": body, "removed": [], "updated": [], "conflicting": []}
            case "PUT", "scripts/domains/records":
                self.domains = [each["hostname"] for each in body["origins"]]
                return {}
            case ("POST", "scripts/subdomain") | ("PATCH", "scripts/script-settings"):
                return {}
            case "GET", "workers":
                return {"id": "worker", "name": "headwater", "subdomain": {"enabled": False, "previews_enabled": False}}
            case "GET", "scripts/settings":
                return {"bindings": self.bindings}
            case "POST", "scripts/assets-upload-session":
                return {"jwt": "no files to upload", "buckets": []}
            case "GET", "scripts/versions":
                return {"items": self._require(list(reversed(self.versions)))}
            case "GET", "scripts/deployments":
                newest = self._require(self.versions)[-1]
                deployment = {"id": newest["id"], "strategy": "percentage", "versions": self.traffic}
                return {"deployments": [deployment | newest["metadata"] | {"annotations": {}}]}
            case "GET", part if part.startswith("scripts/versions/"):
                return next(each for each in self.versions if each["id"] == part.rpartition("/")[2])
            case "GET", "scripts/secrets":
                self._require(self.versions)
                return [{"name": name, "type": "secret_text"} for name in self.secrets]
        return None

    def _require(self, value: Any) -> Any:
        if not self.versions:
            raise NoWorker
        return value


def _parts(path: str) -> tuple[str, str]:
    """Split `/scripts/NAME/rest` into its kind and the rest."""
    _, kind, *rest = path.split("/")
    return kind, "".join(f"/{part}" for part in rest[1:])


def envelope(result: Any) -> dict[str, Any]:
    """Wrap a result as Cloudflare's API does."""
    return {"success": True, "errors": [], "messages": [], "result": result}


def refusal() -> dict[str, Any]:
    """Return Cloudflare's error for a missing Worker."""
    error = {"code": 10007, "message": "This Worker does not exist on your account."}
    return {"success": False, "errors": [error], "messages": [], "result": None}


def metadata_of(multipart: str) -> dict[str, Any]:
    """Parse the metadata part of an uploaded Worker."""
    match = re.search(r'name="metadata"\r\n\r\n(.*?)\r\n--', multipart, re.DOTALL)
    assert match is not None, multipart[:300]
    metadata: dict[str, Any] = json.loads(match[1])
    return metadata
