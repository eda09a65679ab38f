"""The bucket's lifecycle rule."""

from dataclasses import replace

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.resources.foundations import plan_bucket
from tests.harness.deployment import SUPABASE, lines


def test_bucket_without_a_lifecycle_rule_gets_one() -> None:
    def first(bucket: Json | None) -> str:
        return lines(plan_bucket(SUPABASE, CloudState(bucket=bucket)))[0]

    assert first(None).startswith("gcloud storage buckets create gs://acme-headwater-headwater ")
    assert first({"name": "b"}).startswith("gcloud storage buckets update gs://acme-headwater-headwater ")
    assert "add-iam-policy-binding" in first({"lifecycle": {"rule": [{}]}})


def test_model_in_the_bucket_is_readable_by_those_that_load_it() -> None:
    def readers(model: str) -> set[str]:
        planned = lines(plan_bucket(replace(SUPABASE, settings=(("EMBEDDING_MODEL", model),)), CloudState()))
        viewers = [line for line in planned if "storage.objectViewer" in line or "storage.objectUser" in line]
        return {
            name for name in ("chat", "embedding", "build") if any(f"headwater-{name}@" in line for line in viewers)
        }

    assert readers("onnx:gs://acme-headwater-headwater/models/mine") == {"chat", "embedding", "build"}
    assert readers("onnx:gs://another/mine") == {"chat", "build"}  # chat has files there
