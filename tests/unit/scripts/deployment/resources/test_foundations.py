"""The bucket's lifecycle rule."""

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.resources.foundations import plan_bucket
from tests.harness.deployment import SUPABASE, lines


def test_bucket_without_a_lifecycle_rule_gets_one() -> None:
    def first(bucket: Json | None) -> str:
        return lines(plan_bucket(SUPABASE, CloudState(bucket=bucket)))[0]

    assert first(None).startswith("gcloud storage buckets create gs://acme-headwater-headwater ")
    assert first({"name": "b"}).startswith("gcloud storage buckets update gs://acme-headwater-headwater ")
    assert "add-iam-policy-binding" in first({"lifecycle": {"rule": [{}]}})
