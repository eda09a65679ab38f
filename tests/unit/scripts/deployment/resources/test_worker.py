"""When the Cloudflare Worker is deployed again."""

from dataclasses import replace

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.installation import Auth
from scripts.deployment.resources import identity
from scripts.deployment.resources.worker import plan_worker
from tests.harness.deployment import SUPABASE, VERSIONS


def test_worker_is_deployed_if_its_variables_secrets_or_sources_change() -> None:
    first = plan_worker(SUPABASE, CloudState(versions=VERSIONS))
    [tag] = [each.partition("=")[2] for each in first[-1].arguments if each.startswith("--tag=")]
    names = frozenset({"WORKLOAD_KEY", "AUTH_SECRET"})
    provider = {"oidc": {"issuerUri": f"https://{SUPABASE.domain}"}}
    current = CloudState(versions=VERSIONS, worker_secrets=names, worker_version=tag, pool={}, provider=provider)
    current = replace(current, access=frozenset(identity._bindings(SUPABASE, current)))
    assert plan_worker(SUPABASE, current) == []
    other_sign_in = replace(SUPABASE, auth=Auth(sign_in_url="https://i.example/{redirect}"))
    for changed in (
        plan_worker(other_sign_in, current),
        plan_worker(SUPABASE, replace(current, versions={**VERSIONS, "headwater-auth-secret": "2"})),
        plan_worker(SUPABASE, replace(current, worker_version="older")),
    ):
        assert changed[-1].arguments[0] == "deploy"
        assert changed[-2].arguments[:2] == ("secret", "bulk")
