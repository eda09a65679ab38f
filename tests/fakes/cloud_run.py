"""Fake Cloud Run services: the status of a service and its newest revision after a deployment. Pure."""

import copy
from typing import Any


def deployed(service: dict[str, Any], existing: dict[str, Any] | None, url: str) -> dict[str, Any]:
    """Return a service whose newest revision is ready. A changed template creates a new revision."""
    generation = (existing or {}).get("metadata", {}).get("generation", 0) + 1
    is_new = existing is None or service["spec"]["template"] != existing["spec"]["template"]
    previous = (existing or {}).get("status", {}).get("latestCreatedRevisionName", "")
    name = service["spec"]["template"]["metadata"].get("name") or f"{service['metadata']['name']}-{generation:05d}-abc"
    newest = name if is_new else previous
    shares = service["spec"].get("traffic") or [{"percent": 100, "latestRevision": True}]
    traffic = [{**share, "revisionName": share.get("revisionName", newest)} for share in shares]
    for share in traffic:
        if "tag" in share:
            share["url"] = url
    status = {
        "observedGeneration": generation,
        "latestCreatedRevisionName": newest,
        "latestReadyRevisionName": newest,
        "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")],
        "traffic": traffic,
        "url": url,
        "address": {"url": url},
    }
    metadata = {**service["metadata"], "generation": generation, "resourceVersion": str(generation)}
    return {**service, "metadata": metadata, "spec": {**service["spec"], "traffic": shares}, "status": status}


def newest_revision(service: dict[str, Any], digest: str) -> dict[str, Any]:
    """Return the revision of a service's current template, ready. It names its image by digest, as Google's do."""
    template = service["spec"]["template"]
    spec = copy.deepcopy(template["spec"])
    spec["containers"][0]["image"] = digest
    metadata = {
        "name": service["status"]["latestCreatedRevisionName"],
        "labels": template["metadata"].get("labels", {}) | {"serving.knative.dev/service": service["metadata"]["name"]},
        "creationTimestamp": f"2026-11-25T10:00:{service['metadata']['generation']:02d}Z",
    }
    status = {"conditions": [{"type": "Ready", "status": "True"}], "imageDigest": digest}
    return {"metadata": metadata, "spec": spec, "status": status}
