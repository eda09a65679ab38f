"""The dashboard: created once, and updated when its layout changes."""

import hashlib
import json

import pytest

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.resources import dashboard
from tests.harness.deployment import SUPABASE, lines

NAME = "projects/p/dashboards/7"
OPTIONS = f"--project=acme-headwater --config-from-file={dashboard.FILE}"


def planned(**changes: object) -> list[str]:
    existing = {**dashboard.read_file(), "name": NAME, **changes}
    return lines(dashboard.plan_dashboard(SUPABASE, CloudState(dashboards=({"displayName": "Another"}, existing))))


def test_dashboard_is_created() -> None:
    [create] = lines(dashboard.plan_dashboard(SUPABASE, CloudState(dashboards=({"displayName": "Another"},))))
    assert create.startswith("gcloud monitoring dashboards create ")
    assert create.endswith(OPTIONS)


def test_current_dashboard_keeps_changes_of_the_console() -> None:
    assert planned() == []
    assert planned(mosaicLayout={"columns": 12}) == []


@pytest.mark.parametrize("labels", [None, {}, {"content": "another"}])
def test_dashboard_with_an_earlier_layout_is_updated(labels: object) -> None:
    [update] = planned(labels=labels)
    assert update == f"gcloud monitoring dashboards update {NAME} {OPTIONS}"


def test_label_is_the_hash_of_the_layout() -> None:
    file = dashboard.read_file()
    layout = json.dumps(file["mosaicLayout"], sort_keys=True)
    assert file["labels"]["content"] == hashlib.sha256(layout.encode()).hexdigest()[:16]


def test_tiles_do_not_overlap() -> None:
    layout = dashboard.read_file()["mosaicLayout"]
    places = [(tile["xPos"], tile["yPos"]) for tile in layout["tiles"]]
    assert len(set(places)) == len(places) == 13
    assert all(tile["xPos"] + tile["width"] <= layout["columns"] for tile in layout["tiles"])
