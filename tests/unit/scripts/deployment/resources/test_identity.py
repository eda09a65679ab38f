"""The Worker's identity at Google: a service account key or workload identity federation."""

from dataclasses import replace

import pytest

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.resources.identity import plan_identity
from tests.harness.deployment import SUPABASE, lines


@pytest.mark.parametrize(
    ("worker_identity", "keys_forbidden", "federates"),
    [("auto", False, False), ("auto", True, True), ("key", True, False), ("federation", False, True)],
)
def test_identity_follows_the_configuration_or_the_policy(
    worker_identity: str, keys_forbidden: bool, federates: bool
) -> None:
    installation = replace(SUPABASE, worker_identity=worker_identity)
    planned = lines(plan_identity(installation, CloudState(keys_forbidden=keys_forbidden)))
    assert any("create-oidc" in line for line in planned) is federates
    assert any("keys create" in line for line in planned) is not federates


def test_leftover_key_that_the_worker_does_not_have_is_deleted() -> None:
    delete, create = lines(plan_identity(SUPABASE, CloudState(worker_keys=("abc",))))
    assert delete.startswith("gcloud iam service-accounts keys delete abc ")
    assert create.startswith("gcloud iam service-accounts keys create - ")
    state = CloudState(worker_keys=("abc",), worker_secrets=frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY"}))
    assert plan_identity(SUPABASE, state) == []


def test_key_pair_is_replaced_if_one_half_is_missing() -> None:
    installation = replace(SUPABASE, worker_identity="federation")
    without_private_key = CloudState(pool={}, provider={})
    assert any("update-oidc" in line for line in lines(plan_identity(installation, without_private_key)))
    without_provider = CloudState(pool={}, worker_secrets=frozenset({"WORKLOAD_KEY"}))
    assert any("create-oidc" in line for line in lines(plan_identity(installation, without_provider)))
