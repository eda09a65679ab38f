"""When the Cloudflare Worker is deployed again, and how a canary of it gets its traffic."""

from dataclasses import replace

from scripts.deployment.plan.cloud_state import CloudState, WorkerVersion
from scripts.deployment.plan.installation import Auth, Canary
from scripts.deployment.resources import identity
from scripts.deployment.resources.worker import parts, plan_worker
from tests.harness.deployment import SUPABASE, VERSIONS, lines

PROVIDER = {"oidc": {"issuerUri": f"https://{SUPABASE.domain}"}}
FEDERATED = CloudState(
    versions=VERSIONS, worker_secrets=frozenset({"WORKLOAD_KEY", "AUTH_SECRET"}), pool={}, provider=PROVIDER
)
FEDERATED = replace(FEDERATED, access=frozenset(identity._bindings(SUPABASE, FEDERATED)))
OLD, NEW = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CANARY = replace(SUPABASE, tag="t2", canary=Canary(percent=10, minutes=5))


def version(percent: int = 100, *, version_id: str = OLD, release: str = "t1", **changes: str) -> WorkerVersion:
    """Return a version that was deployed from this checkout, but for the changed parts."""
    return WorkerVersion(
        id=version_id, release=release, percent=percent, parts={**parts(SUPABASE, FEDERATED), **changes}
    )


def state(*versions: WorkerVersion) -> CloudState:
    return replace(FEDERATED, worker_versions=versions)


def test_worker_is_deployed_if_its_variables_secrets_sources_or_release_change() -> None:
    current = state(version())
    assert plan_worker(SUPABASE, current) == []
    other_sign_in = replace(SUPABASE, auth=Auth(sign_in_url="https://i.example/{redirect}"))
    for changed in (
        plan_worker(other_sign_in, current),
        plan_worker(SUPABASE, replace(current, versions={**VERSIONS, "headwater-auth-secret": "2"})),
        plan_worker(SUPABASE, state(version(worker="older"))),
        plan_worker(SUPABASE, state(version(web="older"))),
        plan_worker(replace(SUPABASE, tag="t2"), current),
        plan_worker(SUPABASE, state(version(90), version(10, version_id=NEW))),
        plan_worker(SUPABASE, state()),
    ):
        assert changed[-1].arguments[0] == "deploy"
        assert (changed[-1].stdin, "--secrets-file=/dev/stdin" in changed[-1].arguments) == ("WORKER_SECRETS", True)


def test_version_is_tagged_with_its_release_and_described_by_its_parts() -> None:
    deploy = plan_worker(SUPABASE, state())[-1]
    [message] = [each.partition("=")[2] for each in deploy.arguments if each.startswith("--message=")]
    assert dict(word.split("=") for word in message.split()) == parts(SUPABASE, FEDERATED)
    assert "--tag=t1" in deploy.arguments


def test_canary_gets_a_part_of_the_traffic_until_it_was_watched() -> None:
    upload, split, watch, send = plan_worker(CANARY, state(version(worker="older")))[-4:]
    assert (upload.arguments[:2], upload.stdout, upload.stdin) == (
        ("versions", "upload"),
        "WORKER_UPLOAD",
        "WORKER_SECRETS",
    )
    assert split.arguments[-3:] == ("WORKER_VERSION@10%", f"{OLD}@90%", "--yes")
    assert watch.arguments[2:] == (
        "--url=https://ask.example.com",
        "--worker=headwater",
        "--version=WORKER_VERSION",
        "--minutes=5",
    )
    assert [each.arguments[-2:] for each in watch.undo] == [(f"{OLD}@100%", "--yes")]
    assert send.arguments[-2:] == ("WORKER_VERSION@100%", "--yes")
    assert {each.placeholder for each in (split, watch, send)} == {"WORKER_VERSION"}


def test_interrupted_canary_is_repeated_against_the_old_version() -> None:
    interrupted = state(version(10, version_id=NEW, release="t2"), version(90, worker="older"))
    assert f"{OLD}@90%" in plan_worker(CANARY, interrupted)[-3].arguments


def test_versions_with_different_web_apps_or_domains_do_not_share_the_traffic() -> None:
    for old in (version(worker="older", web="older"), version(worker="older", domain="old.example.com")):
        assert plan_worker(CANARY, state(old))[-1].arguments[0] == "deploy"


def test_first_version_and_one_with_the_same_parts_need_no_canary() -> None:
    for versions in ((), (version(),)):
        assert not any(
            "versions" in line for line in lines(plan_worker(CANARY, state(*versions))) if "wrangler" in line
        )
