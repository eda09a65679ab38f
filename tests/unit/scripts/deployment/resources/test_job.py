"""When a deployment runs the migration."""

from dataclasses import replace

import pytest

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import job
from tests.harness.deployment import SUPABASE, VERSIONS, lines

IMAGE = SUPABASE.image("job", "t1")
OLDER_IMAGE = SUPABASE.image("job", "t0")


def execution(
    image: str,
    version: str,
    args: list[str],
    succeeded: int = 1,
    *,
    model: str = "",
    role: str = "",
    at: str = "2026-01-01T00:00:00Z",
) -> Json:
    """Return an execution of the job in the form of its API. `version`: of the database's secrets."""
    names = ("DATABASE_URL", "DATABASE_ADMIN_URL")
    environment: list[Json] = [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": f"headwater-{name.lower().replace('_', '-')}", "key": version}},
        }
        for name in names
    ]
    variables = {"EMBEDDING_MODEL": model, "DATABASE_ROLE": role}
    environment += [{"name": name, "value": value} for name, value in variables.items() if value]
    container = {"image": image, "args": args, "env": environment}
    spec = {"template": {"spec": {"containers": [container]}}}
    metadata = {"creationTimestamp": at, "labels": {"release": image.rpartition(":")[2], "schema": "0005"}}
    return {"metadata": metadata, "spec": spec, "status": {"succeededCount": succeeded}}


def plans_migration(installation: Installation, *executions: Json) -> bool:
    planned = lines(job.plan_job(installation, CloudState(versions=VERSIONS, executions=executions)))
    return any("--args=migrate" in line for line in planned)


@pytest.mark.parametrize(
    ("earlier", "is_planned"),
    [
        (execution(IMAGE, "1", ["migrate"]), False),
        (execution(IMAGE, "1", ["migrate"], succeeded=0), True),
        (execution(OLDER_IMAGE, "1", ["migrate"]), True),
        (execution(IMAGE, "2", ["migrate"]), True),
        (execution(IMAGE, "1", ["collect", "--source=x"]), True),
    ],
    ids=["succeeded", "failed", "other image", "other database", "other command"],
)
def test_migration_runs_once_per_release_and_database(earlier: Json, is_planned: bool) -> None:
    assert plans_migration(SUPABASE, earlier) is is_planned


def test_image_that_was_rebuilt_under_the_same_tag_migrates_again() -> None:
    ran, rebuilt = (IMAGE.replace(":t1", f"@sha256:{digit * 64}") for digit in "12")
    earlier = execution(IMAGE, "1", ["migrate"])
    earlier["spec"]["template"]["spec"]["containers"][0]["image"] = ran

    def is_planned(digest: str) -> bool:
        state = CloudState(versions=VERSIONS, executions=(earlier,), images={IMAGE: digest})
        return any("--args=migrate" in line for line in lines(job.plan_job(SUPABASE, state)))

    assert (is_planned(ran), is_planned(rebuilt)) == (False, True)


def test_change_of_the_database_role_migrates_again() -> None:
    renamed = replace(SUPABASE, settings=(("DATABASE_ROLE", "two"),))
    assert plans_migration(renamed, execution(IMAGE, "1", ["migrate"]))
    assert not plans_migration(renamed, execution(IMAGE, "1", ["migrate"], role="two"))


def test_change_of_the_embedding_model_migrates_again_in_both_directions() -> None:
    other = "openai:text-embedding-3-small"
    changed = replace(SUPABASE, settings=(("EMBEDDING_MODEL", other),))
    first = execution(IMAGE, "1", ["migrate"])
    second = execution(IMAGE, "1", ["migrate"], model=other, at="2026-01-02T00:00:00Z")
    assert plans_migration(changed, first)
    assert not plans_migration(changed, second, first)
    assert plans_migration(SUPABASE, second, first)


@pytest.mark.parametrize("succeeded", [1, 0])
def test_downgrade_invalidates_earlier_migrations(succeeded: int) -> None:
    first = execution(IMAGE, "1", ["migrate"])
    downgrade = execution(IMAGE, "1", ["migrate", "--down-to=0002"], succeeded, at="2026-01-02T00:00:00Z")
    older = execution(OLDER_IMAGE, "1", ["migrate"], at="2026-01-03T00:00:00Z")
    repeated = execution(IMAGE, "1", ["migrate"], at="2026-01-04T00:00:00Z")
    assert plans_migration(SUPABASE, first, downgrade)
    assert plans_migration(SUPABASE, first, downgrade, older)
    assert not plans_migration(SUPABASE, first, downgrade, older, repeated)
