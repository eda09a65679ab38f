"""Handlers of the fake Google Cloud (`tests/fakes/google_cloud.py`). Their routes are in `google_routes.py`.

A handler takes the fake, the request and the groups of its route's pattern, and returns the response body.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.fakes.cloud_run import deployed, newest_revision

if TYPE_CHECKING:
    from tests.fakes.google_cloud import Google

PROJECT = "acme-headwater"
NUMBER = "424242424242"
REGION = "europe-west1"
BILLING_ACCOUNT = "0A1B2C-3D4E5F-6A7B8C"
DEPLOYER = f"deployer@{PROJECT}.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Request:
    """A request to one of the APIs."""

    verb: str
    api: str
    path: str
    query: dict[str, str]
    body: Any
    raw: bytes = b""

    def __str__(self) -> str:
        return f"{self.verb} {self.api}{self.path}"


class NotFound(Exception):
    """Answered with 404."""


class AlreadyExists(Exception):
    """Answered with 409."""


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(google: "Google", request: Request) -> Any:
    assertion = parse_qs(request.body)["assertion"][0].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(assertion + "=="))
    if "target_audience" not in claims:
        google.access_tokens_given += 1
        return {"access_token": "access", "expires_in": google.access_tokens_live_s, "token_type": "Bearer"}
    if not google.gives_identity_tokens:
        raise NotFound
    return {"id_token": _identity(claims["target_audience"])}


def own_identity(google: "Google", request: Request, account: str) -> Any:
    """Create an ID token for the calling account, as steps of Cloud Build do."""
    assert account == DEPLOYER
    return {"token": _identity(request.body["audience"])}


def _identity(audience: str) -> str:
    claims = {"aud": audience, "email": DEPLOYER, "exp": int(time.time()) + 3600}
    return f"{_part({'alg': 'RS256'})}.{_part(claims)}.{_part('signature')}"


def project(google: "Google", request: Request) -> Any:
    return {"projectId": PROJECT, "projectNumber": NUMBER, "lifecycleState": "ACTIVE"}


def billing(google: "Google", request: Request) -> Any:
    return {"billingEnabled": True, "billingAccountName": f"billingAccounts/{BILLING_ACCOUNT}"}


def enable(google: "Google", request: Request) -> Any:
    google.record(request)
    google.resources["apis"] = sorted({*google.resources.get("apis", []), *request.body["serviceIds"]})
    return {"name": "operations/enable", "done": True, "response": {}}


def enabled(google: "Google", request: Request) -> Any:
    names = google.resources.get("apis", [])
    return {"services": [{"config": {"name": name}, "state": "ENABLED"} for name in names]}


def one_api(google: "Google", request: Request, name: str) -> Any:
    state = "ENABLED" if name in google.resources.get("apis", []) else "DISABLED"
    return {"name": f"projects/{NUMBER}/services/{name}", "config": {"name": name}, "state": state}


def get(google: "Google", request: Request, path: str) -> Any:
    """Return a resource, or the list of resources directly below a path."""
    if path in google.resources:
        return google.resources[path]
    kind = path.rpartition("/")[2]
    if kind not in _COLLECTIONS:
        raise NotFound
    names = [name for name in google.resources if name.rpartition("/")[0] == path and "#" not in name]
    items = [google.resources[name] for name in names]
    return {"items" if path.startswith(("sql", "storage")) else kind.replace("serviceAccounts", "accounts"): items}


def create(google: "Google", request: Request, path: str) -> Any:
    """Create a resource, with the ID from the query or the body, or a number."""
    google.record(request)
    ids = [value for name, value in request.query.items() if name.endswith("Id")]
    name = ids[0] if ids else request.body.get("name", google.serial()).rpartition("/")[2]
    google.check_new(f"{path}/{name}")
    resource = {**request.body, "name": f"{path.partition('/')[2].partition('/')[2]}/{name}"}
    google.resources[f"{path}/{name}"] = resource
    return resource


def operation(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a handler's response in a completed operation."""

    def handle(google: "Google", request: Request, *groups: str) -> Any:
        resource = handler(google, request, *groups)
        name = f"{resource['name'].rpartition('/')[0].rpartition('/')[0]}/operations/done"
        return {"name": name, "done": True, "response": resource}

    return handle


def change(google: "Google", request: Request, path: str) -> Any:
    if path not in google.resources:
        raise NotFound
    google.record(request)
    google.resources[path] |= request.body
    return google.resources[path]


def remove(google: "Google", request: Request, path: str) -> Any:
    """Delete a resource and everything below it."""
    google.record(request)
    removed = google.resources.get(path)
    if removed is None:
        raise NotFound
    for name in [name for name in google.resources if name == path or name.startswith((f"{path}/", f"{path}#"))]:
        del google.resources[name]
    return removed


def get_policy(google: "Google", request: Request, path: str) -> Any:
    return google.policies.get(_policy_path(path), {"etag": "BwA="})


def set_policy(google: "Google", request: Request, path: str) -> Any:
    google.record(request)
    policy = request.body.get("policy", request.body)
    google.policies[_policy_path(path)] = {**policy, "etag": "BwA="}
    return policy


def _policy_path(path: str) -> str:
    """Remove the API version, since versions of an API share a policy."""
    return re.sub(r"/v\d/", "/", path)


def create_account(google: "Google", request: Request, path: str) -> Any:
    google.record(request)
    email = f"{request.body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    google.check_new(f"{path}/{email}")
    account = {**request.body["serviceAccount"], "email": email, "name": f"projects/{PROJECT}/serviceAccounts/{email}"}
    google.resources[f"{path}/{email}"] = account
    return account


def remove_account(google: "Google", request: Request, email: str) -> Any:
    return remove(google, request, f"iam/v1/projects/{PROJECT}/serviceAccounts/{email}")


def create_key(google: "Google", request: Request, account: str) -> Any:
    google.record(request)
    folder = f"iam/v1/projects/{PROJECT}/serviceAccounts/{account}/keys"
    key = json.dumps({"type": "service_account", "client_email": account, "private_key": "THE-WORKERS-PRIVATE-KEY"})
    name = google.serial()
    google.resources[f"{folder}/{name}"] = {"name": f"{folder}/{name}"}
    return {
        "name": f"projects/{PROJECT}/serviceAccounts/{account}/keys/{name}",
        "privateKeyData": base64.b64encode(key.encode()).decode(),
    }


def remove_key(google: "Google", request: Request, account: str, key: str) -> Any:
    remove(google, request, f"iam/v1/projects/{PROJECT}/serviceAccounts/{account}/keys/{key}")
    return {}


def add_version(google: "Google", request: Request, path: str) -> Any:
    google.record(request)
    versions = google.resources.setdefault(f"{path}#versions", [])
    versions.append(base64.urlsafe_b64decode(request.body["payload"]["data"] + "==").decode())
    return {**latest_version(google, request, path), "clientSpecifiedPayloadChecksum": True}


def latest_version(google: "Google", request: Request, path: str) -> Any:
    versions = google.resources.get(f"{path}#versions")
    if not versions:
        raise NotFound
    return {"name": f"projects/{NUMBER}/secrets/{path.rpartition('/')[2]}/versions/{len(versions)}", "state": "ENABLED"}


def versions(google: "Google", request: Request, path: str) -> Any:
    return {"versions": [latest_version(google, request, path)]}


def access_version(google: "Google", request: Request, path: str) -> Any:
    version = latest_version(google, request, path)
    data = base64.b64encode(google.resources[f"{path}#versions"][-1].encode()).decode()
    return {"name": version["name"], "payload": {"data": data}}


def sql(google: "Google", request: Request, path: str) -> Any:
    """Create a Cloud SQL resource; these APIs have operations of their own form."""
    google.record(request)
    google.check_new(f"{path}/{request.body['name']}")
    google.resources[f"{path}/{request.body['name']}"] = request.body
    return sql_operation(google, request)


def change_sql(google: "Google", request: Request, path: str) -> Any:
    change(google, request, path)
    return sql_operation(google, request)


def remove_sql(google: "Google", request: Request, path: str) -> Any:
    remove(google, request, path)
    return sql_operation(google, request)


def sql_operation(google: "Google", request: Request) -> Any:
    return {"kind": "sql#operation", "name": "done", "status": "DONE", "targetProject": PROJECT}


def upload(google: "Google", request: Request, bucket: str) -> Any:
    """Accept an upload; the metadata part contains the object's size."""
    size = re.search(rb'"size": "(\d+)"', request.raw)
    assert size is not None, request.raw[:300]
    return {"bucket": bucket, "name": request.query["name"], "generation": "1", "size": size[1].decode()}


def no_objects(google: "Google", request: Request) -> Any:
    """List a bucket's objects: none, since uploaded sources are not stored."""
    return {"items": []}


def images_of(project: str) -> str:
    """Return the path of the images in a project's repository."""
    return f"artifactregistry/v1/projects/{project}/locations/{REGION}/repositories/headwater/dockerImages"


def build(google: "Google", request: Request, place: str) -> Any:
    """Complete a build immediately: the images exist."""
    google.record(request)
    values = request.body["substitutions"]
    store_images(google, values["_TAG"], values)
    done = {**request.body, "id": "b1", "status": "SUCCESS", "projectId": PROJECT, "logUrl": "https://example.com/b1"}
    google.resources["build"] = done
    return {"name": "operations/b1", "metadata": {"build": done}}


def store_images(google: "Google", tag: str, values: Mapping[str, str]) -> None:
    """Store the images of a release. `values`: the substitutions of a build; those of a promotion name digests."""
    repository = f"{REGION}-docker.pkg.dev/{PROJECT}/headwater"
    folder = images_of(PROJECT)
    images = [each for path, each in google.resources.items() if path.startswith(f"{folder}/")]
    for each in images:  # a tag names one image
        each["tags"] = [other for other in each["tags"] if other != tag]
    for target in ("chat", "collection", "embedding", "job", "sandbox"):
        copied = values.get(f"_{target.upper()}")
        if copied:
            pinned(google, f"{values['_FROM']}/{target}@{copied}")  # must exist
        name = f"{target}@{copied or f'sha256:{int(google.serial()):064x}'}"
        google.resources[f"{folder}/{name}"] = {"uri": f"{repository}/{name}", "tags": [tag]}


def built(google: "Google", request: Request, place: str) -> Any:
    return google.resources["build"]


def services(google: "Google", request: Request, project: str) -> Any:
    """List services. Those of another project than PROJECT have its name before their path."""
    prefix = "service/" if project == PROJECT else f"{project}/service/"
    items = [each for name, each in google.resources.items() if name.startswith(prefix)]
    return {"kind": "ServiceList", "items": items, "metadata": {}}


def service(google: "Google", request: Request, name: str) -> Any:
    if f"service/{name}" not in google.resources:
        raise NotFound
    return google.resources[f"service/{name}"]


def deploy_service(google: "Google", request: Request, *_: str) -> Any:
    google.record(request)
    name = request.body["metadata"]["name"]
    digest = pinned(google, request.body["spec"]["template"]["spec"]["containers"][0]["image"])
    existing = google.resources.get(f"service/{name}")
    service = deployed(request.body, existing, f"{google.url}/services/{name}")
    google.resources[f"service/{name}"] = service
    revision = newest_revision(service, digest)
    google.resources.setdefault(f"revision/{revision['metadata']['name']}", revision)
    return service


def pinned(google: "Google", image: str) -> str:
    """Return the digest reference of a pushed image. Raises NotFound for other images."""
    repository, _, tag = image.rpartition(":")
    for path, each in google.resources.items():
        if "/dockerImages/" in path:
            uri = str(each["uri"])
            if uri == image or (uri.partition("@")[0] == repository and tag in each["tags"]):
                return uri
    raise NotFound


def revisions(google: "Google", request: Request) -> Any:
    return {"items": [each for name, each in google.resources.items() if name.startswith("revision/")]}


def remove_service(google: "Google", request: Request, name: str) -> Any:
    remove(google, request, f"service/{name}")
    return {"kind": "Status", "status": "Success"}


def probe(google: "Google", request: Request, name: str, path: str) -> Any:
    """Answer as a service's candidate revision, which requires an ID token."""
    if not request.query["authorization"].startswith("Bearer ey"):
        raise NotFound
    google.probed.setdefault(name, []).append(path)
    return {"status": "ok"}


def time_series(google: "Google", request: Request) -> Any:
    """Count the requests of services: 100 of each revision with traffic, of which the newest's fail as configured."""
    assert request.query["filter"].startswith('metric.type="run.googleapis.com/request_count"'), request.query
    series = []
    for path, each in google.resources.items():
        if path.startswith("service/"):
            newest = each["status"]["latestCreatedRevisionName"]
            for revision in {share["revisionName"] for share in each["status"]["traffic"] if share.get("percent")}:
                failed = google.canary_errors if revision == newest else 0
                for status, count in (("2xx", 100 - failed), ("5xx", failed)):
                    series.append(
                        {
                            "metric": {"labels": {"response_code_class": status}},
                            "resource": {"labels": {"revision_name": revision}},
                            "points": [{"value": {"int64Value": str(count)}}],
                        }
                    )
    return {"timeSeries": series}


_COLLECTIONS = {"serviceAccounts", "keys", "secrets", "repositories", "dockerImages", "databases", "users"}
_COLLECTIONS |= {"notificationChannels", "alertPolicies", "budgets", "dashboards"}
