"""Running commands: order, retries, failures, and secrets that must not leak."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.api_keys import is_well_formed
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.runner import ProcessResult, Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Auth
from scripts.deployment.stages import NAMES, from_nothing
from tests.harness.deployment import SUPABASE

ADMIN_URL = "postgresql://postgres.ref:pw@aws-0-eu.pooler.supabase.com:5432/postgres"
OK = ProcessResult(0, "", "")


class FakeProcesses:
    """Records commands and their stdin instead of starting processes; `result` decides how each ends."""

    def __init__(self, result: Callable[[Command], ProcessResult] = lambda command: OK) -> None:
        self.started: list[tuple[Command, str]] = []
        self.waits: list[float] = []
        self.reported: list[str] = []
        self._result = result
        self._lock = threading.Lock()

    def __call__(self, command: Command, stdin: str) -> ProcessResult:
        with self._lock:
            self.started.append((command, stdin))
        return self._result(command)

    def runner(self, values: Values | None = None) -> Runner:
        return Runner(values or new_values(), self.reported.append, run_process=self, sleep=self.waits.append)


def new_values() -> Values:
    environ = {"DEPLOY_DATABASE_ADMIN_URL": ADMIN_URL}
    return Values(SUPABASE, environ, prompt=lambda question: "", connection_problem=lambda *_: "")


texts = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=32, max_size=60)


@settings(max_examples=25)
@given(
    secret=texts, password=texts, database=st.sampled_from(["supabase", "cloudsql"]), issuer=st.sampled_from(["", "i"])
)
def test_secrets_never_occur_in_arguments_or_reports(secret: str, password: str, database: str, issuer: str) -> None:
    auth = Auth(issuer=f"https://{issuer}.example", audience="a") if issuer else Auth()
    installation = replace(SUPABASE, database=database, auth=auth, settings=(("CHAT_MODEL", "groq:m"),))
    key = json.dumps({"private": {"d": secret}, "public": {"keys": []}})
    processes = FakeProcesses(lambda command: ProcessResult(0, key, "") if command.stdout else OK)
    environ = {"DEPLOY_GROQ_API_KEY": secret, "DEPLOY_AUTH_SECRET": secret}
    environ["DEPLOY_DATABASE_ADMIN_URL"] = ADMIN_URL.replace(":pw@", f":{password}@")
    values = Values(installation, environ, prompt=lambda question: "", connection_problem=lambda *_: "")
    for _, commands in from_nothing(installation, NAMES):
        processes.runner(values).run(commands)
    secrets = {secret, password, *(stdin for _, stdin in processes.started if stdin)}
    assert len(secrets) >= 5
    visible = [argument for command, _ in processes.started for argument in command.arguments] + processes.reported
    assert [each for each in secrets if any(each in text for text in visible)] == []


def test_owner_key_is_shown_once_and_only_its_hash_is_passed_to_the_job() -> None:
    processes, values = FakeProcesses(), new_values()
    [(_, commands)] = from_nothing(SUPABASE, ["owner"])
    processes.runner(values).run(commands)
    [shown] = [line for line in processes.reported if "hw_" in line]
    assert is_well_formed(shown.split()[-1])
    assert values.get("OWNER_KEY_HASH") in processes.started[0][0].line()


def test_commands_of_one_target_run_in_order() -> None:
    processes = FakeProcesses()
    commands = [gcloud(f"{target}{number}", target=target) for number in range(5) for target in "abc"]
    processes.runner().run(commands)
    for target in "abc":
        ran = [command.arguments[0] for command, _ in processes.started if command.target == target]
        assert ran == [f"{target}{number}" for number in range(5)]


def test_permanent_failure_stops_the_deployment_with_advice() -> None:
    denied = ProcessResult(1, "", "ERROR: Permission 'run.services.create' denied on resource")
    processes = FakeProcesses(lambda command: denied if "bad" in command.arguments else OK)
    with pytest.raises(DeploymentError) as raised:
        processes.runner().run([gcloud("bad", target="a"), gcloud("after", target="a")])
    assert "run.services.create" in raised.value.next_step
    assert [command.arguments for command, _ in processes.started] == [("bad",)]
    assert processes.waits == []


def test_transient_failure_is_retried() -> None:
    results = [
        ProcessResult(1, "", "Service account x does not exist."),
        ProcessResult(1, "", "ABORTED: try again"),
        OK,
    ]
    processes = FakeProcesses(lambda command: results.pop(0))
    processes.runner().run([gcloud("a", target="a")])
    assert (len(processes.started), processes.waits) == (3, [5, 10])


def test_retries_end_after_two_to_five_minutes() -> None:
    processes = FakeProcesses(lambda command: ProcessResult(1, "", "UNAVAILABLE"))
    with pytest.raises(DeploymentError):
        processes.runner().run([gcloud("a", target="a")])
    assert 120 < sum(processes.waits) < 300


def test_failed_command_is_undone_and_its_reason_kept() -> None:
    failed = ProcessResult(1, "", "canary: 5 of 9 requests failed, 503 unavailable")
    processes = FakeProcesses(lambda command: failed if command.program == "python3" else OK)
    watch = Command(program="python3", arguments=("watch",), target="a", undo=(gcloud("back", target="a"),))
    with pytest.raises(DeploymentError, match="5 of 9 requests failed"):
        processes.runner().run([watch, gcloud("after", target="a")])
    assert [command.arguments for command, _ in processes.started] == [("watch",), ("back",)]
    assert processes.waits == []
