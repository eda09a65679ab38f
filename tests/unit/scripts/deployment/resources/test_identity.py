"""The Worker's identity at Google: workload identity federation, or a service account key."""

from dataclasses import replace

import pytest

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.resources.identity import describe, plan_identity
from scripts.deployment.resources.worker import plan_worker
from tests.harness.deployment import SUPABASE, VERSIONS, lines

KEY, WORKLOAD = frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY"}), frozenset({"WORKLOAD_KEY"})


@pytest.mark.parametrize(
    ("worker_identity", "worker_secrets", "federates"),
    [
        ("auto", frozenset(), True),
        ("auto", KEY, False),
        ("auto", KEY | WORKLOAD, True),
        ("key", WORKLOAD, False),
        ("federation", KEY, True),
    ],
)
def test_identity_is_federation_unless_a_key_exists_or_is_configured(
    worker_identity: str, worker_secrets: frozenset[str], federates: bool
) -> None:
    installation = replace(SUPABASE, worker_identity=worker_identity)
    state = CloudState(worker_secrets=worker_secrets)
    assert (": federation" in describe(installation, state).replace("by workload identity", ":")) is federates
    planned = lines(plan_identity(installation, state))
    assert any("create-oidc" in line for line in planned) is federates
    assert any("keys create" in line for line in planned) is (worker_identity == "key")


def test_leftover_key_that_the_worker_does_not_have_is_deleted() -> None:
    with_key = replace(SUPABASE, worker_identity="key")
    delete, create = lines(plan_identity(with_key, CloudState(worker_keys=("abc",))))
    assert delete.startswith("gcloud iam service-accounts keys delete abc ")
    assert create.startswith("gcloud iam service-accounts keys create - ")
    assert plan_identity(SUPABASE, CloudState(worker_keys=("abc",), worker_secrets=KEY)) == []


def test_key_is_deleted_once_the_worker_federates() -> None:
    state = CloudState(versions=VERSIONS, worker_keys=("abc",), worker_secrets=KEY)
    *_, deploy, delete = lines(plan_worker(replace(SUPABASE, worker_identity="federation"), state))
    assert deploy.startswith("wrangler deploy ")
    assert delete.startswith("gcloud iam service-accounts keys delete abc ")
    assert not any("keys delete" in line for line in lines(plan_worker(SUPABASE, state)))


def test_key_pair_is_replaced_if_one_half_is_missing() -> None:
    without_private_key = CloudState(pool={}, provider={})
    assert any("update-oidc" in line for line in lines(plan_identity(SUPABASE, without_private_key)))
    without_provider = CloudState(pool={}, worker_secrets=WORKLOAD)
    assert any("create-oidc" in line for line in lines(plan_identity(SUPABASE, without_provider)))


def test_another_domain_changes_the_providers_issuer_and_keeps_the_key() -> None:
    provider = {"oidc": {"issuerUri": f"https://{SUPABASE.domain}"}}
    state = CloudState(pool={}, provider=provider, worker_secrets=WORKLOAD)
    assert not any("oidc" in line for line in lines(plan_identity(SUPABASE, state)))
    moved = lines(plan_identity(replace(SUPABASE, domain="other.example.com"), state))
    [update] = [line for line in moved if "oidc" in line]
    assert update.endswith("--workload-identity-pool=headwater --issuer-uri=https://other.example.com")
    assert not any("workload-key" in line for line in moved)
