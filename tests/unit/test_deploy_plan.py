"""What is planned: for an empty project everything, for one that is as it should be nothing, else what differs."""

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from headwater.config import Settings
from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, Auth, Installation, Limits
from scripts.deployment.resources import alarms, database, foundations, identity, job, owner, queues, secrets, worker
from scripts.deployment.resources.containers import wanted_container
from scripts.deployment.resources.images import SOURCES, content_tag, plan_images
from scripts.deployment.stages import NAMES, from_nothing

ROOT = Path(__file__).resolve().parents[2]
SUPABASE = Installation(
    project="acme-headwater", region="europe-west1", domain="ask.example.com", database="supabase", tag="t1"
)
CLOUDSQL = replace(SUPABASE, database="cloudsql", owner="owner@example.com", limits=Limits(budget="50EUR"))
VERSIONS = {secret.name: "1" for secret in secrets.secrets(SUPABASE)}


def lines(commands: list[Command]) -> list[str]:
    """Return commands as they are printed."""
    return [command.line() for command in commands]


def everything(wanted: Installation) -> Iterator[Command]:
    """Give every command of a plan from nothing."""
    for _, commands in from_nothing(wanted, NAMES):
        yield from commands


def flag(command: Command, name: str) -> str:
    """Return the value of a command's flag."""
    [value] = [each.partition("=")[2] for each in command.arguments if each.startswith(f"--{name}=")]
    return value


def test_a_plan_from_nothing_names_every_command_once() -> None:
    for wanted in (SUPABASE, CLOUDSQL):
        planned = lines(list(everything(wanted)))
        assert len(planned) == len(set(planned)) > 60


def test_only_cloud_sql_makes_a_database() -> None:
    assert not any("sql" in command.arguments for command in everything(SUPABASE))
    assert sum("sql" in command.arguments for command in everything(CLOUDSQL)) == 3


def test_every_binding_is_on_a_single_resource_but_what_cloud_run_and_builds_need_of_the_project() -> None:
    granted = [command for command in everything(CLOUDSQL) if "add-iam-policy-binding" in command.arguments]
    on_project = {flag(command, "role") for command in granted if command.arguments[0] == "projects"}
    assert on_project == {"roles/logging.logWriter", "roles/cloudsql.client"}
    broad = {"roles/owner", "roles/editor", "roles/viewer", "roles/run.admin", "roles/secretmanager.admin"}
    assert {flag(command, "role") for command in granted}.isdisjoint(broad)


def test_whoever_sends_tickets_may_also_sign_them_as_the_invoker() -> None:
    def members(role: str) -> set[str]:
        granted = [command for command in everything(SUPABASE) if f"--role={role}" in command.arguments]
        return {flag(command, "member") for command in granted}

    senders = {f"serviceAccount:{SUPABASE.account(name)}" for name in ("collection", "embedding", "job")}
    assert members("roles/cloudtasks.enqueuer") == members("roles/iam.serviceAccountUser") == senders


def test_each_secret_is_read_by_those_who_need_it() -> None:
    readers = {secret.setting: secret.readers for secret in secrets.secrets(SUPABASE)}
    assert readers["DATABASE_ADMIN_URL"] == ("job",)
    assert readers["SECRET_KEY"] == ("collection", "job")
    assert "AUTH_SECRET" in readers
    with_keys = replace(
        SUPABASE,
        auth=Auth(issuer="https://i.example", audience="a", jwks_url="https://i.example/jwks"),
        settings=(("CHAT_MODEL", "anthropic:claude, groq:llama"),),
    )
    readers = {secret.setting: secret.readers for secret in secrets.secrets(with_keys)}
    assert "AUTH_SECRET" not in readers
    assert (readers["ANTHROPIC_API_KEY"], readers["GROQ_API_KEY"]) == (("chat",), ("chat",))
    hosted = replace(SUPABASE, settings=(("CHAT_MODEL", "openai:a"), ("EMBEDDING_MODEL", "openai:b")))
    readers = {secret.setting: secret.readers for secret in secrets.secrets(hosted)}
    assert readers["OPENAI_API_KEY"] == ("chat", "embedding", "job")


def test_services_are_closed_and_take_as_many_requests_as_they_have_threads() -> None:
    deployed = [command for command in everything(SUPABASE) if command.arguments[:2] == ("run", "deploy")]
    assert len(deployed) == 3
    for command in deployed:
        assert "--no-allow-unauthenticated" in command.arguments
        assert f"THREADS={flag(command, 'concurrency')}" in flag(command, "set-env-vars").split(",")


def test_a_ticket_has_the_time_of_its_request() -> None:
    for name in ("collection", "embedding"):
        [command] = [
            each for each in everything(SUPABASE) if each.arguments[:3] == ("run", "deploy", f"headwater-{name}")
        ]
        [deadline] = [
            each for each in flag(command, "set-env-vars").split(",") if each.startswith("DISPATCH_DEADLINE_S")
        ]
        assert flag(command, "timeout") == f"{deadline.partition('=')[2]}s"


def max_repo_bytes(wanted: Installation) -> dict[str, int]:
    """Give MAX_REPO_BYTES of each container that has it."""
    found = Found(project_number="1", versions=VERSIONS)
    variables = {name: dict(wanted_container(name, wanted, found).variables) for name in (*FUNCTIONS, "job")}
    return {name: int(given["MAX_REPO_BYTES"]) for name, given in variables.items() if "MAX_REPO_BYTES" in given}


@pytest.mark.parametrize("tickets", [1, 4, 12])
def test_repositories_that_are_read_at_once_leave_half_of_the_memory(tickets: int) -> None:
    wanted = replace(SUPABASE, limits=Limits(tickets=tickets))
    gib = 1024**3
    found = Found(project_number="1", versions=VERSIONS)
    memory = {name: wanted_container(name, wanted, found).memory for name in ("collection", "job")}
    assert memory == {"collection": "2Gi", "job": "4Gi"}
    assert max_repo_bytes(wanted) == {"collection": gib // min(tickets, 8), "job": 2 * gib}


def test_the_owners_own_limit_for_repositories_is_left_alone() -> None:
    given = max_repo_bytes(replace(SUPABASE, settings=(("MAX_REPO_BYTES", "1000"),)))
    assert (given["collection"], given["job"]) == (1000, 1000)


def test_settings_of_the_chat_go_to_the_chat_alone() -> None:
    wanted = replace(SUPABASE, settings=(("CHAT_MODEL", "extractive"), ("LOG_LEVEL", "DEBUG")))
    variables = {
        command.arguments[2]: flag(command, "set-env-vars")
        for command in everything(wanted)
        if command.arguments[:2] == ("run", "deploy")
    }
    assert [name for name, text in variables.items() if "CHAT_MODEL" in text] == ["headwater-chat"]
    assert all("LOG_LEVEL=DEBUG" in text for text in variables.values())


def execution(
    image: str, version: str, args: list[str], succeeded: int = 1, *, model: str = "", at: str = "2026-01-01T00:00:00Z"
) -> Json:
    """Give an execution of the job as its API tells it."""
    names = ("DATABASE_URL", "DATABASE_ADMIN_URL")
    environment: list[Json] = [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": f"headwater-{name.lower().replace('_', '-')}", "key": version}},
        }
        for name in names
    ]
    environment += [{"name": "EMBEDDING_MODEL", "value": model}] if model else []
    container = {"image": image, "args": args, "env": environment}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"metadata": {"creationTimestamp": at}, "spec": spec, "status": {"succeededCount": succeeded}}


@pytest.mark.parametrize(
    ("ran", "is_done"),
    [
        (execution(SUPABASE.image("job", "t1"), "1", ["migrate"]), True),
        (execution(SUPABASE.image("job", "t1"), "1", ["migrate"], succeeded=0), False),
        (execution(SUPABASE.image("job", "t0"), "1", ["migrate"]), False),
        (execution(SUPABASE.image("job", "t1"), "2", ["migrate"]), False),
        (execution(SUPABASE.image("job", "t1"), "1", ["collect", "--source=x"]), False),
    ],
)
def test_migrations_run_once_for_an_image_and_a_database(ran: Json, is_done: bool) -> None:
    assert has_to_migrate(SUPABASE, ran) is not is_done


def test_another_embedding_model_is_registered_by_migrating_again_and_so_is_going_back() -> None:
    image, other = SUPABASE.image("job", "t1"), "openai:text-embedding-3-small"
    wanted = replace(SUPABASE, settings=(("EMBEDDING_MODEL", other),))
    first = execution(image, "1", ["migrate"])
    second = execution(image, "1", ["migrate"], model=other, at="2026-01-02T00:00:00Z")
    assert has_to_migrate(wanted, first)
    assert not has_to_migrate(wanted, second, first)
    assert has_to_migrate(SUPABASE, second, first)


@pytest.mark.parametrize("succeeded", [1, 0])
def test_what_was_undone_is_migrated_again(succeeded: int) -> None:
    image = SUPABASE.image("job", "t1")
    first = execution(image, "1", ["migrate"])
    undone = execution(image, "1", ["migrate", "--down-to=0002"], succeeded, at="2026-01-02T00:00:00Z")
    older = execution(SUPABASE.image("job", "t0"), "1", ["migrate"], at="2026-01-03T00:00:00Z")
    again = execution(image, "1", ["migrate"], at="2026-01-04T00:00:00Z")
    assert has_to_migrate(SUPABASE, first, undone)
    assert has_to_migrate(SUPABASE, first, undone, older)
    assert not has_to_migrate(SUPABASE, first, undone, older, again)


def has_to_migrate(wanted: Installation, *ran: Json) -> bool:
    planned = lines(job.plan_job(wanted, Found(versions=VERSIONS, executions=ran)))
    return any("--args=migrate" in line for line in planned)


def owned(users: frozenset[str], versions: dict[str, str], kept: dict[str, Json]) -> list[tuple[str, ...]]:
    """Return the first words of what is planned to give Cloud SQL's owner a password and to keep it."""
    found = Found(
        sql_instance={}, sql_databases=frozenset({"headwater"}), sql_users=users, versions=versions, secrets=kept
    )
    planned = database.plan_database(CLOUDSQL, found)
    return [command.arguments[:3] for command in planned if command.arguments[0] in ("sql", "secrets")]


def test_the_databases_owner_is_made_so_that_a_kill_between_leaves_nothing_half_done() -> None:
    name = "headwater-database-admin-url"
    create, add = ("secrets", "create", name), ("secrets", "versions", "add")
    user, password = ("sql", "users", "create"), ("sql", "users", "set-password")
    assert owned(frozenset(), {}, {}) == [create, user]
    assert owned(frozenset(), {name: "1"}, {name: {}}) == [add, user]
    assert owned(frozenset({"headwater"}), {}, {}) == [password, create]
    assert owned(frozenset({"headwater"}), {}, {name: {}}) == [password, add]
    assert owned(frozenset({"headwater"}), {name: "1"}, {name: {}}) == []


def test_a_secret_without_a_value_gets_one() -> None:
    found = Found(secrets={"headwater-secret-key": {}}, versions={"headwater-database-url": "3"})
    written = [line.split(" --")[0] for line in lines(secrets.plan_secrets(SUPABASE, found)) if "data-file" in line]
    assert written == [
        "gcloud secrets create headwater-database-admin-url",
        "gcloud secrets versions add headwater-secret-key",
        "gcloud secrets create headwater-auth-secret",
    ]


def queue(**changes: Any) -> Json:
    """Give a queue as its API tells it."""
    limits = {"maxConcurrentDispatches": 5, "maxDispatchesPerSecond": 10.0, "maxBurstSize": 10}
    retries = {"maxAttempts": -1, "minBackoff": "1s", "maxBackoff": "60.000s"}
    return {"state": "RUNNING", "rateLimits": limits, "retryConfig": retries, **changes}


def planned_for_queues(**there: Json) -> list[str]:
    planned = lines(queues.plan_queues(SUPABASE, Found(queues=there)))
    return [line for line in planned if line.startswith("gcloud tasks queues") and "binding" not in line]


def test_queues_are_created_updated_resumed_or_left_alone() -> None:
    assert planned_for_queues(collection=queue(), embedding=queue()) == []
    [updated] = planned_for_queues(collection=queue(rateLimits={"maxConcurrentDispatches": 9}), embedding=queue())
    assert updated.startswith("gcloud tasks queues update collection ")
    [resumed] = planned_for_queues(collection=queue(), embedding=queue(state="PAUSED"))
    assert resumed.startswith("gcloud tasks queues resume embedding ")
    assert len(planned_for_queues()) == 2


def test_a_queue_never_dispatches_more_than_its_service_has_connections_for() -> None:
    [create, _] = planned_for_queues()
    [most] = re.findall(r"--max-concurrent-dispatches=(\d+)", create)
    assert int(most) == SUPABASE.limits.tickets + 1 <= SUPABASE.limits.collection_instances * SUPABASE.limits.pool_size


def test_the_tick_comes_as_often_as_settings_say() -> None:
    [create] = [line for line in lines(queues.plan_queues(SUPABASE, Found())) if "scheduler jobs create" in line]
    [minutes] = re.findall(r"--schedule=\*/(\d+) \* \* \* \*", create.replace("'", ""))
    [default] = [spec.default for spec in fields(Settings) if spec.name == "tick_s"]
    assert int(minutes) * 60 == default


def test_a_bucket_without_its_lifecycle_gets_it() -> None:
    def first(bucket: Json | None) -> str:
        return lines(foundations.plan_bucket(SUPABASE, Found(bucket=bucket)))[0]

    assert first(None).startswith("gcloud storage buckets create gs://acme-headwater-headwater ")
    assert first({"name": "b"}).startswith("gcloud storage buckets update gs://acme-headwater-headwater ")
    assert "add-iam-policy-binding" in first({"lifecycle": {"rule": [{}]}})


def test_the_owners_key_is_made_once() -> None:
    assert len(owner.plan_owner(SUPABASE, Found())) == 2
    made = {"headwater-secret-key": {"labels": {"owner-key": "made"}}}
    assert owner.plan_owner(SUPABASE, Found(secrets=made)) == []


def test_alarms_go_to_the_owner_and_follow_the_policy_in_the_checkout() -> None:
    channel = {"name": "projects/p/notificationChannels/1", "labels": {"email_address": "owner@example.com"}}
    policy = {**alarms.read_policy(), "name": "projects/p/alertPolicies/2", "notificationChannels": [channel["name"]]}
    money = {"amount": {"specifiedAmount": {"units": "50", "currencyCode": "EUR"}}}
    told = {"notificationsRule": {"monitoringNotificationChannels": ["projects/424242/notificationChannels/1"]}}
    budget = {"name": "billingAccounts/b/budgets/3", "displayName": "Headwater acme-headwater", **money, **told}
    found = Found(channels=(channel,), policies=(policy,), budgets=(budget,))
    assert alarms.plan_channel(CLOUDSQL, found) == []
    assert alarms.plan_alarms(CLOUDSQL, found) == []
    old = {**policy, "conditions": [{"conditionMatchedLog": {"filter": "another"}}]}
    [update] = lines(alarms.plan_alarms(CLOUDSQL, replace(found, policies=(old,))))
    assert update.startswith("gcloud alpha monitoring policies update projects/p/alertPolicies/2 ")
    more = replace(CLOUDSQL, limits=Limits(budget="75.50EUR"))
    [update] = lines(alarms.plan_alarms(more, found))
    assert update == "gcloud billing budgets update billingAccounts/b/budgets/3 --budget-amount=75.50EUR"


OWNERS = "projects/p/notificationChannels/1"
TEAMS = "projects/p/notificationChannels/7"


def planned_for_alarms(
    owner: str = "owner@example.com", conditions: list[Json] | None = None, **changes: Any
) -> list[str]:
    """Return what is planned where only the team is told of the alarm and of the budget."""
    channel = {"name": OWNERS, "labels": {"email_address": "owner@example.com"}}
    policy = {**alarms.read_policy(), "name": "projects/p/alertPolicies/2", "notificationChannels": [TEAMS]}
    budget = {
        "name": "billingAccounts/b/budgets/3",
        "displayName": "Headwater acme-headwater",
        "amount": {"specifiedAmount": {"units": "50", "currencyCode": "EUR"}},
        "notificationsRule": {"monitoringNotificationChannels": [TEAMS]},
    }
    found = Found(
        channels=(channel,),
        policies=({**policy, **({} if conditions is None else {"conditions": conditions})},),
        budgets=(budget,),
    )
    return lines(alarms.plan_alarms(replace(CLOUDSQL, owner=owner), replace(found, **changes)))


def test_the_owner_is_told_beside_those_who_are_told_already() -> None:
    assert planned_for_alarms() == [
        "gcloud alpha monitoring policies update projects/p/alertPolicies/2 --project=acme-headwater "
        f"--add-notification-channels={OWNERS}",
        "gcloud billing budgets update billingAccounts/b/budgets/3 "
        f"--notifications-rule-monitoring-notification-channels={TEAMS},{OWNERS}",
    ]


@pytest.mark.parametrize(("owner", "told"), [("owner@example.com", f"{TEAMS},{OWNERS}"), ("", TEAMS)])
def test_a_policy_that_is_replaced_keeps_telling_whom_it_told(owner: str, told: str) -> None:
    update = planned_for_alarms(owner, [{"conditionMatchedLog": {"filter": "another"}}])[0]
    assert "--policy-from-file=" in update
    assert update.endswith(f"--set-notification-channels={told}")


def test_a_condition_that_somebody_added_stays() -> None:
    [ours] = alarms.read_policy()["conditions"]
    more = [{"conditionThreshold": {"filter": "another"}}, ours, {"conditionMatchedLog": {"filter": "a third"}}]
    assert planned_for_alarms("", more) == []


def test_an_alarm_whose_channel_was_never_made_is_shown_in_the_console_alone() -> None:
    alarm, budget = planned_for_alarms(channels=(), policies=(), budgets=())
    assert "policies create" in alarm
    assert "budgets create" in budget
    assert "CHANNEL" not in alarm + budget
    assert planned_for_alarms(channels=()) == []


def test_without_an_owner_and_a_budget_nobody_is_told_but_the_console() -> None:
    assert alarms.plan_channel(SUPABASE, Found()) == []
    [alarm] = lines(alarms.plan_alarms(SUPABASE, Found()))
    assert "notification-channels" not in alarm


@pytest.mark.parametrize(
    ("choice", "forbids_keys", "federates"),
    [("auto", False, False), ("auto", True, True), ("key", True, False), ("federation", False, True)],
)
def test_google_knows_the_worker_by_what_is_chosen_or_allowed(choice: str, forbids_keys: bool, federates: bool) -> None:
    planned = lines(identity.plan_identity(replace(SUPABASE, worker_identity=choice), Found(forbids_keys=forbids_keys)))
    assert any("create-oidc" in line for line in planned) is federates
    assert any("keys create" in line for line in planned) is not federates


def test_a_key_that_the_worker_never_got_is_deleted() -> None:
    delete, create = lines(identity.plan_identity(SUPABASE, Found(worker_keys=("abc",))))
    assert delete.startswith("gcloud iam service-accounts keys delete abc ")
    assert create.startswith("gcloud iam service-accounts keys create - ")
    there = Found(worker_keys=("abc",), worker_secrets=frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY"}))
    assert identity.plan_identity(SUPABASE, there) == []


def test_a_half_of_a_key_alone_is_made_anew() -> None:
    wanted = replace(SUPABASE, worker_identity="federation")
    without_worker = lines(identity.plan_identity(wanted, Found(pool={}, provider={})))
    assert any("update-oidc" in line for line in without_worker)
    with_worker = Found(pool={}, worker_secrets=frozenset({"WORKLOAD_KEY"}))
    assert any("create-oidc" in line for line in lines(identity.plan_identity(wanted, with_worker)))


def test_the_worker_is_deployed_when_anything_of_it_changes() -> None:
    there = frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY", "AUTH_SECRET"})
    fresh = worker.plan_worker(SUPABASE, Found(versions=VERSIONS))
    [tag] = [each.partition("=")[2] for each in fresh[-1].arguments if each.startswith("--tag=")]
    current = Found(versions=VERSIONS, worker_secrets=there, worker_version=tag)
    assert worker.plan_worker(SUPABASE, current) == []
    elsewhere = replace(SUPABASE, auth=Auth(sign_in_url="https://i.example/{redirect}"))
    for changed in (
        worker.plan_worker(elsewhere, current),
        worker.plan_worker(SUPABASE, replace(current, versions={**VERSIONS, "headwater-auth-secret": "2"})),
        worker.plan_worker(SUPABASE, replace(current, worker_version="older")),
    ):
        assert changed[-1].arguments[0] == "deploy"
        assert changed[-2].arguments[:2] == ("secret", "bulk")


def test_images_are_built_when_one_is_missing() -> None:
    images = frozenset(SUPABASE.image(target, "t1") for target in ("chat", "collection", "embedding", "job"))
    assert plan_images(SUPABASE, Found(images=images)) == []
    assert len(plan_images(SUPABASE, Found(images=images - {SUPABASE.image("job", "t1")}))) == 1


def test_the_tag_changes_with_what_images_are_made_of_and_with_nothing_else(tmp_path: Path) -> None:
    for name in ("Dockerfile", "functions/chat/main.py", "shared/headwater/database/transactions.py", "docs/deploy.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    first = content_tag(tmp_path)
    (tmp_path / "docs/deploy.md").write_text("two")
    (tmp_path / "functions/__pycache__").mkdir()
    (tmp_path / "functions/__pycache__/main.pyc").write_bytes(b"two")
    assert content_tag(tmp_path) == first
    (tmp_path / "functions/chat/main.py").write_text("two")
    assert content_tag(tmp_path) != first


def test_the_tag_covers_everything_that_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    names = [name for line in copied for name in line.split() if not name.startswith("--")]
    assert len(names) > 5
    assert [name for name in names if not name.startswith(SOURCES)] == []


def test_values_with_commas_are_written_with_another_separator() -> None:
    assert pairs({"A": "1", "B": "2"}) == "A=1,B=2"
    assert pairs({"A": "1,2", "B": "3"}) == "^|^A=1,2|B=3"
    with pytest.raises(ValueError, match="every one of"):
        pairs({"A": ",|;!@:~"})


def test_flags_are_written_as_gcloud_reads_them() -> None:
    command = gcloud("a", on="t", some_text="x y", yes=True, no=False, none=None, feed="SECRET")
    assert command.line() == "gcloud a '--some-text=x y' --yes --no-no  # stdin: SECRET"
