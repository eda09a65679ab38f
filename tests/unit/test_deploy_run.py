"""How commands are run, what they are fed, and what is said when one fails."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.api_keys import is_well_formed
from scripts.deployment.cloud.failures import DeploymentError, is_passing, next_step
from scripts.deployment.cloud.read_cloud import Google, renewed
from scripts.deployment.cloud.runner import Done, Runner
from scripts.deployment.cloud.values import Values, app_url
from scripts.deployment.plan.cloud_state import Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Auth, Installation
from scripts.deployment.rollback import plan as plan_rollback
from scripts.deployment.stages import NAMES, from_nothing

WANTED = Installation(
    project="acme-headwater", region="europe-west1", domain="ask.example.com", database="supabase", tag="t1"
)
ADMIN_URL = "postgresql://postgres.ref:pw@aws-0-eu.pooler.supabase.com:5432/postgres"
OK = Done(0, "", "")


class Processes:
    """Stands for processes: remembers what was started and with which stdin, answers what the test wants."""

    def __init__(self, answer: Callable[[Command], Done] = lambda command: OK) -> None:
        self.started: list[tuple[Command, str]] = []
        self.waits: list[float] = []
        self.said: list[str] = []
        self._answer = answer
        self._lock = threading.Lock()

    def __call__(self, command: Command, text: str) -> Done:
        with self._lock:
            self.started.append((command, text))
        return self._answer(command)

    def runner(self, values: Values) -> Runner:
        return Runner(values, self.said.append, spawn=self, sleep=self.waits.append)


def values(**environ: str) -> Values:
    """Make values with an environment, and nobody to ask."""
    return Values(WANTED, {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL, **environ}, ask=lambda question: "")


@pytest.mark.parametrize(("seconds", "is_kept"), [(3600, True), (300, True), (200, False), (-10, False), (None, True)])
def test_a_token_that_would_not_outlive_a_look_is_replaced_before_it(seconds: int | None, is_kept: bool) -> None:
    expires_at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    given = Google("old", "acme-headwater", "", {}, "", "", expires_at)
    assert renewed(given, lambda project: replace(given, token="new")).token == ("old" if is_kept else "new")


texts = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=32, max_size=60)


@settings(max_examples=25)
@given(
    secret=texts, password=texts, database=st.sampled_from(["supabase", "cloudsql"]), issuer=st.sampled_from(["", "i"])
)
def test_no_secret_is_ever_an_argument_or_said(secret: str, password: str, database: str, issuer: str) -> None:
    auth = Auth(issuer=f"https://{issuer}.example", audience="a") if issuer else Auth()
    wanted = replace(WANTED, database=database, auth=auth, settings=(("CHAT_MODEL", "groq:m"),))
    key = json.dumps({"private_key": secret})
    processes = Processes(lambda command: Done(0, key, "") if command.keep else OK)
    environ = {"DEPLOY_GROQ_API_KEY": secret, "DEPLOY_AUTH_SECRET": secret}
    environ["DEPLOY_DATABASE_ADMIN_URL"] = ADMIN_URL.replace(":pw@", f":{password}@")
    kept = Values(wanted, environ, ask=lambda question: "")
    for _, commands in from_nothing(wanted, NAMES):
        processes.runner(kept).run(commands)
    fed = [text for command, text in processes.started if text]
    secrets = {*fed, secret, password}
    assert len(secrets) >= 5
    spoken = [argument for command, _ in processes.started for argument in command.arguments] + processes.said
    assert [text for text in secrets if any(text in line for line in spoken)] == []


def test_the_first_owners_key_is_told_once_and_its_hash_goes_to_the_job() -> None:
    processes = Processes()
    kept = values()
    [(_, commands)] = from_nothing(WANTED, ["owner"])
    processes.runner(kept).run(commands)
    [told] = [line for line in processes.said if "hw_" in line]
    assert is_well_formed(told.split()[-1])
    assert kept.get("OWNER_KEY_HASH") in processes.started[0][0].line()


def test_commands_on_one_target_keep_their_order() -> None:
    processes = Processes()
    commands = [gcloud(f"{target}{number}", on=target) for number in range(5) for target in "abc"]
    processes.runner(values()).run(commands)
    for target in "abc":
        ran = [command.arguments[0] for command, _ in processes.started if command.target == target]
        assert ran == [f"{target}{number}" for number in range(5)]


def test_a_failure_ends_everything_with_what_to_do_next() -> None:
    refused = Done(1, "", "ERROR: Permission 'run.services.create' denied on resource")
    processes = Processes(lambda command: refused if "bad" in command.arguments else OK)
    with pytest.raises(DeploymentError) as raised:
        processes.runner(values()).run([gcloud("bad", on="a"), gcloud("after", on="a")])
    assert "run.services.create" in raised.value.next_step
    assert [command.arguments for command, _ in processes.started] == [("bad",)]
    assert processes.waits == []


def test_what_passes_by_itself_is_tried_again() -> None:
    answers = [Done(1, "", "Service account x does not exist."), Done(1, "", "ABORTED: try again"), OK]
    processes = Processes(lambda command: answers.pop(0))
    processes.runner(values()).run([gcloud("a", on="a")])
    assert (len(processes.started), processes.waits) == (3, [5, 10])


def test_what_does_not_pass_is_given_up_in_the_end() -> None:
    processes = Processes(lambda command: Done(1, "", "UNAVAILABLE"))
    with pytest.raises(DeploymentError):
        processes.runner(values()).run([gcloud("a", on="a")])
    assert 120 < sum(processes.waits) < 300


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("You do not currently have an active account selected.", "gcloud auth login"),
        ("run.googleapis.com: Request had invalid authentication credentials.", "gcloud auth login"),
        ("Permission 'secretmanager.secrets.create' denied", "secretmanager.secrets.create"),
        ("violates constraint constraints/iam.disableServiceAccountKeyCreation", "worker_identity"),
        ("RESOURCE_EXHAUSTED: Quota exceeded", "quotas"),
        ("a queue with this name existed too recently", "3 days"),
        ("Image 'x/y:z' not found", "--only=images"),
        ("Revision 'headwater-chat-00001' is not ready", "run services logs read"),
        ("The execution failed.", "run jobs logs read"),
        ("necessary to set a CLOUDFLARE_API_TOKEN", "Edit Cloudflare Workers"),
        ("anything else", "what is done is not done again"),
    ],
)
def test_a_failure_says_what_to_do(said: str, part: str) -> None:
    assert part in next_step(said)
    assert not is_passing(said)


def test_the_url_of_the_role_app_follows_from_the_owners() -> None:
    assert app_url(ADMIN_URL, "p/w") == (
        "postgresql://app.ref:p%2Fw@aws-0-eu.pooler.supabase.com:6543/postgres?sslmode=require"
    )
    direct = "postgresql+pg8000://owner:x@db.example.com/hw?sslmode=verify-full"
    assert app_url(direct, "pw") == "postgresql+pg8000://app:pw@db.example.com/hw?sslmode=verify-full"


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("DATABASE_ADMIN_URL", "", "empty"),
        ("DATABASE_ADMIN_URL", "mysql://a:b@c/d", "no URL of a Postgres database"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace("5432", "6543"), "transaction mode"),
        ("DATABASE_ADMIN_URL", ADMIN_URL.replace("postgres.ref", "app.ref"), "as the database's owner"),
        ("DATABASE_ADMIN_URL", "postgresql://postgres:pw@127.0.0.1:5432/postgres", "of this machine"),
        ("DATABASE_URL", ADMIN_URL, "as the role app"),
        ("AUTH_SECRET", "short", "32 bytes"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_it_is_stored(name: str, value: str, part: str) -> None:
    wanted = replace(WANTED, auth=Auth(issuer="https://i.example", audience="a"))
    with pytest.raises(DeploymentError, match=part):
        Values(wanted, {f"DEPLOY_{name}": value}, ask=lambda question: value).get(name)


def test_a_value_left_over_in_a_shell_is_not_taken() -> None:
    with pytest.raises(DeploymentError, match="empty"):
        Values(WANTED, {"DATABASE_ADMIN_URL": ADMIN_URL}, ask=lambda question: "").get("DATABASE_ADMIN_URL")


def test_cloud_sqls_own_urls_are_made_whatever_another_environment_was_given() -> None:
    wanted = replace(WANTED, database="cloudsql")
    made = Values(wanted, {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL}, ask=lambda question: "").get("DATABASE_ADMIN_URL")
    assert "unix_sock=/cloudsql/" in made


def revision(service: str, number: int, tag: str, ready: str = "True") -> Json:
    """Give a revision as its API tells it."""
    return {
        "metadata": {
            "name": f"{service}-{number:05d}-abc",
            "labels": {"serving.knative.dev/service": service},
            "creationTimestamp": f"2026-11-25T10:00:{number:02d}Z",
        },
        "spec": {"containers": [{"image": f"registry/{service}:{tag}"}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


REVISIONS = [
    revision(service, number, tag, ready)
    for service in ("headwater-chat", "headwater-collection", "headwater-embedding")
    for number, tag, ready in ((1, "t0", "True"), (2, "t0", "True"), (3, "t0", "False"), (4, "t1", "True"))
]


def test_a_revision_goes_back_alone() -> None:
    [command] = plan_rollback(WANTED, "headwater-chat-00001-abc", REVISIONS)
    assert command.arguments[:4] == ("run", "services", "update-traffic", "headwater-chat")
    assert "--to-revisions=headwater-chat-00001-abc=100" in command.arguments


def test_a_release_goes_back_whole_to_its_newest_revisions_that_are_ready() -> None:
    *services, job = [command.line() for command in plan_rollback(WANTED, "t0", REVISIONS)]
    assert [line.rpartition("=")[0].rpartition("=")[2] for line in services] == [
        "headwater-chat-00002-abc",
        "headwater-collection-00002-abc",
        "headwater-embedding-00002-abc",
    ]
    assert job.endswith("--image=europe-west1-docker.pkg.dev/acme-headwater/headwater/job:t0")


def test_a_release_that_is_not_ready_everywhere_is_refused_with_the_services_that_lack_it() -> None:
    without = [each for each in REVISIONS if not each["metadata"]["name"].startswith("headwater-collection-")]
    broken = [revision("headwater-collection", 1, "t0", ready="False"), *without]
    for revisions in (without, broken):
        with pytest.raises(DeploymentError, match="of headwater-collection; nothing was changed"):
            plan_rollback(WANTED, "t0", revisions)


def test_where_there_is_nothing_to_go_back_to_the_choice_is_told() -> None:
    with pytest.raises(DeploymentError) as raised:
        plan_rollback(WANTED, "t9", REVISIONS)
    assert "t0" in raised.value.next_step
