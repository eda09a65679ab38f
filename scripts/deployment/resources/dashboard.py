"""The dashboard of an installation: requests, latency, instances, queues, runs, answers, errors.

Its label `content` is a hash of its layout: a deployment updates the dashboard if that differs. Otherwise changes in
the console stay. The plan is pure.
"""

import json
from dataclasses import replace

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.read_cloud import GoogleCloud
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation

FILE = "scripts/deployment/resources/dashboard.json"


def read_file() -> Json:
    """Read the dashboard from the checkout."""
    dashboard: Json = json.loads((programs.ROOT / FILE).read_text())
    return dashboard


def read_dashboards(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the project's dashboards."""
    path = f"/v1/projects/{installation.project}/dashboards"
    return replace(state, dashboards=tuple(google.all("monitoring", path, "dashboards")))


def plan_dashboard(installation: Installation, state: CloudState) -> list[Command]:
    """Create the dashboard, or update it if its layout in the checkout has changed since."""
    ours = read_file()
    existing = next((each for each in state.dashboards if each.get("displayName") == ours["displayName"]), None)
    if existing is not None and existing.get("labels") == ours["labels"]:
        return []
    words = ("create",) if existing is None else ("update", str(existing["name"]))
    options = {"target": "dashboard", "project": installation.project, "config_from_file": FILE}
    return [gcloud("monitoring", "dashboards", *words, **options)]
