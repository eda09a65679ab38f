"""The APIs of the recording control plane (`tests/fakes/google_cloud.py`): each route with what it reads or changes.

A handler takes the control plane, what was asked, and the groups of its route's pattern; it returns the answer.
"""

import base64
import json
import re
import time
from collections.abc import Callable
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
class Asked:
    """A request: which API, what of it, and with what."""

    verb: str
    api: str
    path: str
    query: dict[str, str]
    body: Any
    raw: bytes = b""

    def __str__(self) -> str:
        return f"{self.verb} {self.api}{self.path}"


class NoSuchThing(Exception):
    """Answers 404."""


class IsThere(Exception):
    """Answers 409."""


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(google: "Google", asked: Asked) -> Any:
    assertion = parse_qs(asked.body)["assertion"][0].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(assertion + "=="))
    if "target_audience" not in claims:
        google.access_tokens_given += 1
        return {"access_token": "access", "expires_in": google.access_tokens_live_s, "token_type": "Bearer"}
    if not google.gives_identity_tokens:
        raise NoSuchThing
    return {"id_token": _identity(claims["target_audience"])}


def own_identity(google: "Google", asked: Asked, account: str) -> Any:
    """Make an ID token for an account that may make its own, as whose steps Cloud Build runs."""
    assert account == DEPLOYER
    return {"token": _identity(asked.body["audience"])}


def _identity(audience: str) -> str:
    claims = {"aud": audience, "email": DEPLOYER, "exp": int(time.time()) + 3600}
    return f"{_part({'alg': 'RS256'})}.{_part(claims)}.{_part('signature')}"


def project(google: "Google", asked: Asked) -> Any:
    return {"projectId": PROJECT, "projectNumber": NUMBER, "lifecycleState": "ACTIVE"}


def billing(google: "Google", asked: Asked) -> Any:
    return {"billingEnabled": True, "billingAccountName": f"billingAccounts/{BILLING_ACCOUNT}"}


def enable(google: "Google", asked: Asked) -> Any:
    google.record(asked)
    google.resources["apis"] = sorted({*google.resources.get("apis", []), *asked.body["serviceIds"]})
    return {"name": "operations/enable", "done": True, "response": {}}


def enabled(google: "Google", asked: Asked) -> Any:
    names = google.resources.get("apis", [])
    return {"services": [{"config": {"name": name}, "state": "ENABLED"} for name in names]}


def one_api(google: "Google", asked: Asked, name: str) -> Any:
    state = "ENABLED" if name in google.resources.get("apis", []) else "DISABLED"
    return {"name": f"projects/{NUMBER}/services/{name}", "config": {"name": name}, "state": state}


def get(google: "Google", asked: Asked, path: str) -> Any:
    """Read one resource, or the list of those right below a path."""
    if path in google.resources:
        return google.resources[path]
    kind = path.rpartition("/")[2]
    if kind not in _COLLECTIONS:
        raise NoSuchThing
    mine = [name for name in google.resources if name.rpartition("/")[0] == path and "#" not in name]
    below = [google.resources[name] for name in mine]
    return {"items" if path.startswith(("sql", "storage")) else kind.replace("serviceAccounts", "accounts"): below}


def create(google: "Google", asked: Asked, path: str) -> Any:
    """Create a resource, under the id that the query, the body or a number gives it."""
    google.record(asked)
    given = [value for name, value in asked.query.items() if name.endswith("Id")]
    name = given[0] if given else asked.body.get("name", google.serial()).rpartition("/")[2]
    google.check_new(f"{path}/{name}")
    resource = {**asked.body, "name": f"{path.partition('/')[2].partition('/')[2]}/{name}"}
    google.resources[f"{path}/{name}"] = resource
    return resource


def operation(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Answer with an operation that is done."""

    def handle(google: "Google", asked: Asked, *groups: str) -> Any:
        resource = handler(google, asked, *groups)
        name = f"{resource['name'].rpartition('/')[0].rpartition('/')[0]}/operations/done"
        return {"name": name, "done": True, "response": resource}

    return handle


def change(google: "Google", asked: Asked, path: str) -> Any:
    if path not in google.resources:
        raise NoSuchThing
    google.record(asked)
    google.resources[path] |= asked.body
    return google.resources[path]


def remove(google: "Google", asked: Asked, path: str) -> Any:
    """Delete a resource, and what is in it."""
    google.record(asked)
    removed = google.resources.get(path)
    if removed is None:
        raise NoSuchThing
    for name in [name for name in google.resources if name == path or name.startswith((f"{path}/", f"{path}#"))]:
        del google.resources[name]
    return removed


def get_policy(google: "Google", asked: Asked, path: str) -> Any:
    return google.policies.get(_policy_path(path), {"etag": "BwA="})


def set_policy(google: "Google", asked: Asked, path: str) -> Any:
    google.record(asked)
    policy = asked.body.get("policy", asked.body)
    google.policies[_policy_path(path)] = {**policy, "etag": "BwA="}
    return policy


def _policy_path(path: str) -> str:
    """Both versions of an API have one policy."""
    return re.sub(r"/v\d/", "/", path)


def create_account(google: "Google", asked: Asked, path: str) -> Any:
    google.record(asked)
    email = f"{asked.body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    google.check_new(f"{path}/{email}")
    account = {**asked.body["serviceAccount"], "email": email, "name": f"projects/{PROJECT}/serviceAccounts/{email}"}
    google.resources[f"{path}/{email}"] = account
    return account


def remove_account(google: "Google", asked: Asked, email: str) -> Any:
    return remove(google, asked, f"iam/v1/projects/{PROJECT}/serviceAccounts/{email}")


def create_key(google: "Google", asked: Asked, account: str) -> Any:
    google.record(asked)
    folder = f"iam/v1/projects/{PROJECT}/serviceAccounts/{account}/keys"
    key = json.dumps({"type": "service_account", "client_email": account, "private_key": "THE-WORKERS-PRIVATE-KEY"})
    name = google.serial()
    google.resources[f"{folder}/{name}"] = {"name": f"{folder}/{name}"}
    return {
        "name": f"projects/{PROJECT}/serviceAccounts/{account}/keys/{name}",
        "privateKeyData": base64.b64encode(key.encode()).decode(),
    }


def add_version(google: "Google", asked: Asked, path: str) -> Any:
    google.record(asked)
    versions = google.resources.setdefault(f"{path}#versions", [])
    versions.append(base64.urlsafe_b64decode(asked.body["payload"]["data"] + "==").decode())
    return {**latest_version(google, asked, path), "clientSpecifiedPayloadChecksum": True}


def latest_version(google: "Google", asked: Asked, path: str) -> Any:
    versions = google.resources.get(f"{path}#versions")
    if not versions:
        raise NoSuchThing
    return {"name": f"projects/{NUMBER}/secrets/{path.rpartition('/')[2]}/versions/{len(versions)}", "state": "ENABLED"}


def versions(google: "Google", asked: Asked, path: str) -> Any:
    return {"versions": [latest_version(google, asked, path)]}


def access_version(google: "Google", asked: Asked, path: str) -> Any:
    version = latest_version(google, asked, path)
    data = base64.b64encode(google.resources[f"{path}#versions"][-1].encode()).decode()
    return {"name": version["name"], "payload": {"data": data}}


def sql(google: "Google", asked: Asked, path: str) -> Any:
    """Create something of Cloud SQL, which answers with an operation of its own form."""
    google.record(asked)
    google.check_new(f"{path}/{asked.body['name']}")
    google.resources[f"{path}/{asked.body['name']}"] = asked.body
    return sql_operation(google, asked)


def change_sql(google: "Google", asked: Asked, path: str) -> Any:
    change(google, asked, path)
    return sql_operation(google, asked)


def remove_sql(google: "Google", asked: Asked, path: str) -> Any:
    remove(google, asked, path)
    return sql_operation(google, asked)


def sql_operation(google: "Google", asked: Asked) -> Any:
    return {"kind": "sql#operation", "name": "done", "status": "DONE", "targetProject": PROJECT}


def upload(google: "Google", asked: Asked, bucket: str) -> Any:
    """Take an object; a part before it says how long it is."""
    size = re.search(rb'"size": "(\d+)"', asked.raw)
    assert size is not None, asked.raw[:300]
    return {"bucket": bucket, "name": asked.query["name"], "generation": "1", "size": size[1].decode()}


def no_objects(google: "Google", asked: Asked) -> Any:
    """List what is in a bucket: sources are built at once, and not kept."""
    return {"items": []}


def build(google: "Google", asked: Asked, place: str) -> Any:
    """Build at once: the images are there."""
    google.record(asked)
    tag = asked.body["substitutions"]["_TAG"]
    repository = f"{REGION}-docker.pkg.dev/{PROJECT}/headwater"
    folder = f"artifactregistry/v1/projects/{PROJECT}/locations/{REGION}/repositories/headwater/dockerImages"
    for target in ("chat", "collection", "embedding", "job"):
        name = f"{target}@sha256:{google.serial()}"
        google.resources[f"{folder}/{name}"] = {"uri": f"{repository}/{name}", "tags": [tag]}
    done = {**asked.body, "id": "b1", "status": "SUCCESS", "projectId": PROJECT, "logUrl": "https://example.com/b1"}
    google.resources["build"] = done
    return {"name": "operations/b1", "metadata": {"build": done}}


def built(google: "Google", asked: Asked, place: str) -> Any:
    return google.resources["build"]


def services(google: "Google", asked: Asked) -> Any:
    items = [each for name, each in google.resources.items() if name.startswith("service/")]
    return {"kind": "ServiceList", "items": items, "metadata": {}}


def service(google: "Google", asked: Asked, name: str) -> Any:
    if f"service/{name}" not in google.resources:
        raise NoSuchThing
    return google.resources[f"service/{name}"]


def deploy_service(google: "Google", asked: Asked, *_: str) -> Any:
    google.record(asked)
    name = asked.body["metadata"]["name"]
    there = google.resources.get(f"service/{name}")
    service = deployed(asked.body, there, f"{google.url}/services/{name}")
    google.resources[f"service/{name}"] = service
    revision = newest_revision(service)
    google.resources.setdefault(f"revision/{revision['metadata']['name']}", revision)
    return service


def revisions(google: "Google", asked: Asked) -> Any:
    return {"items": [each for name, each in google.resources.items() if name.startswith("revision/")]}


def remove_service(google: "Google", asked: Asked, name: str) -> Any:
    remove(google, asked, f"service/{name}")
    return {"kind": "Status", "status": "Success"}


def probe(google: "Google", asked: Asked, name: str, path: str) -> Any:
    """Be a service's candidate, closed as Cloud Run closes it."""
    if not asked.query["authorization"].startswith("Bearer ey"):
        raise NoSuchThing
    google.tried.setdefault(name, []).append(path)
    return {"status": "ok"}


def key_policy(google: "Google", asked: Asked, constraint: str) -> Any:
    return {"spec": {"rules": [{"enforce": google.keys_forbidden}]}}


_COLLECTIONS = {"serviceAccounts", "keys", "secrets", "repositories", "dockerImages", "databases", "users"}
_COLLECTIONS |= {"notificationChannels", "alertPolicies", "budgets"}
_IAM = r"(iam/v1/projects/[^/]+/(?:serviceAccounts|locations/global/workloadIdentityPools).*)"
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", r"oauth2/token", token),
    ("GET", r"service/services/([^/]+)(/heartbeat|/ready)", probe),
    ("GET", r"(.*):getIamPolicy", get_policy),
    ("POST", r"(.*):getIamPolicy", get_policy),
    ("POST", r"(.*):setIamPolicy", set_policy),
    ("GET", r"(storage/storage/v1/b/[^/]+)/iam", get_policy),
    ("PUT", r"(storage/storage/v1/b/[^/]+)/iam", set_policy),
    ("GET", r"cloudresourcemanager/v1/projects/[^/:]+", project),
    ("GET", r"cloudbilling/v1/projects/[^/]+/billingInfo", billing),
    ("POST", r"serviceusage/v1/projects/[^/]+/services:batchEnable", enable),
    ("GET", r"serviceusage/v1/projects/[^/]+/services", enabled),
    ("GET", r"serviceusage/v1/projects/[^/]+/services/([^/]+)", one_api),
    ("GET", r"orgpolicy/v2/projects/[^/]+/policies/([^/:]+):getEffectivePolicy", key_policy),
    ("POST", r"(iam/v1/projects/[^/]+/serviceAccounts)", create_account),
    ("POST", r"iam/v1/projects/-/serviceAccounts/([^/]+)/keys", create_key),
    ("DELETE", r"iam/v1/projects/-/serviceAccounts/([^/]+)", remove_account),
    ("POST", r"iamcredentials/v1/projects/-/serviceAccounts/([^/:]+):generateIdToken", own_identity),
    ("POST", r"(iam/v1/projects/[^/]+/locations/global/.*)", operation(create)),
    ("GET", _IAM, get),
    ("POST", r"(artifactregistry/v1/.*/repositories)", operation(create)),
    ("PATCH", r"(artifactregistry/v1/.*)", change),
    ("GET", r"(artifactregistry/v1/.*)", get),
    ("DELETE", r"(artifactregistry/v1/.*)", operation(remove)),
    ("POST", r"(secretmanager/v1/projects/[^/]+/secrets)", create),
    ("POST", r"(secretmanager/v1/projects/[^/]+/secrets/[^/:]+):addVersion", add_version),
    ("GET", r"(secretmanager/v1/projects/[^/]+/secrets/[^/]+)/versions", versions),
    ("GET", r"(secretmanager/v1/projects/[^/]+/secrets/[^/]+)/versions/latest", latest_version),
    ("GET", r"(secretmanager/v1/projects/[^/]+/secrets/[^/]+)/versions/latest:access", access_version),
    ("PATCH", r"(secretmanager/v1/.*)", change),
    ("GET", r"(secretmanager/v1/.*)", get),
    ("DELETE", r"(secretmanager/v1/.*)", remove),
    ("POST", r"(storage/storage/v1/b)", create),
    ("PATCH", r"(storage/storage/v1/b/[^/]+)", change),
    ("GET", r"(storage/storage/v1/b/[^/]+)", get),
    ("GET", r"storage/storage/v1/b/[^/]+/(?:o|managedFolders|storageLayout)", no_objects),
    ("DELETE", r"(storage/storage/v1/b/[^/]+)", remove),
    ("POST", r"storage/upload/storage/v1/b/([^/]+)/o", upload),
    ("POST", r"(sql/sql/v1beta4/.*)", sql),
    ("GET", r"sql/sql/v1beta4/projects/[^/]+/operations/done", sql_operation),
    ("GET", r"(sql/sql/v1beta4/.*)", get),
    ("PATCH", r"(sql/sql/v1beta4/.*)", change_sql),
    ("DELETE", r"(sql/sql/v1beta4/.*)", remove_sql),
    ("POST", r"cloudbuild/v1/(projects/.*/builds)", build),
    ("GET", r"cloudbuild/v1/(projects/.*/builds)/[^/]+", built),
    ("GET", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/revisions", revisions),
    ("GET", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/services", services),
    ("GET", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/services/([^/]+)", service),
    ("POST", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/services", deploy_service),
    ("PUT", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/services/([^/]+)", deploy_service),
    ("DELETE", rf"{REGION}-run/apis/serving.knative.dev/v1/namespaces/[^/]+/services/([^/]+)", remove_service),
    ("GET", r"(billingbudgets/v1/.*)", get),
    ("POST", r"(billingbudgets/v1/.*/budgets)", create),
    ("PATCH", r"(billingbudgets/v1/.*)", change),
    ("POST", r"(monitoring/v3/projects/[^/]+/(?:notificationChannels|alertPolicies))", create),
    ("GET", r"(monitoring/v3/.*)", get),
]
