"""Cloud Run services as a control plane keeps them: what a client puts flows in, with a status it flows out. Pure."""

from typing import Any


def deployed(given: dict[str, Any], there: dict[str, Any] | None, url: str) -> dict[str, Any]:
    """Give a service as it is once its newest revision is ready; a change of its template is a new revision."""
    generation = (there or {}).get("metadata", {}).get("generation", 0) + 1
    is_new = there is None or given["spec"]["template"] != there["spec"]["template"]
    before = (there or {}).get("status", {}).get("latestCreatedRevisionName", "")
    chosen = given["spec"]["template"]["metadata"].get("name") or f"{given['metadata']['name']}-{generation:05d}-abc"
    newest = chosen if is_new else before
    wanted = given["spec"].get("traffic") or [{"percent": 100, "latestRevision": True}]
    traffic = [{**share, "revisionName": share.get("revisionName", newest)} for share in wanted]
    for share in traffic:
        if "tag" in share:
            share["url"] = url
    status = {
        "observedGeneration": generation,
        "latestCreatedRevisionName": newest,
        "latestReadyRevisionName": newest,
        "conditions": [{"type": name, "status": "True"} for name in ("Ready", "ConfigurationsReady", "RoutesReady")],
        "traffic": traffic,
        "url": url,
        "address": {"url": url},
    }
    metadata = {**given["metadata"], "generation": generation, "resourceVersion": str(generation)}
    return {**given, "metadata": metadata, "spec": {**given["spec"], "traffic": wanted}, "status": status}


def newest_revision(service: dict[str, Any]) -> dict[str, Any]:
    """Give the revision that a service's template is, ready."""
    metadata = {
        "name": service["status"]["latestCreatedRevisionName"],
        "labels": {"serving.knative.dev/service": service["metadata"]["name"]},
        "creationTimestamp": f"2026-11-25T10:00:{service['metadata']['generation']:02d}Z",
    }
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": metadata, "spec": service["spec"]["template"]["spec"], "status": status}
