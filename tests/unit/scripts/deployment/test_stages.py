"""The plan for an empty project, across all stages."""

from dataclasses import replace

from tests.harness.deployment import CLOUDSQL, SUPABASE, all_commands, flag, lines


def test_plan_from_nothing_contains_no_command_twice() -> None:
    for installation in (SUPABASE, CLOUDSQL):
        planned = lines(list(all_commands(installation)))
        assert len(planned) == len(set(planned)) > 60


def test_only_cloud_sql_creates_a_database() -> None:
    assert not any("sql" in command.arguments for command in all_commands(SUPABASE))
    assert sum("sql" in command.arguments for command in all_commands(CLOUDSQL)) == 3


def test_roles_are_granted_on_single_resources() -> None:
    grants = [command for command in all_commands(CLOUDSQL) if "add-iam-policy-binding" in command.arguments]
    on_project = {flag(command, "role") for command in grants if command.arguments[0] == "projects"}
    assert on_project == {"roles/logging.logWriter", "roles/cloudsql.client"}  # not grantable on a resource
    broad = {"roles/owner", "roles/editor", "roles/viewer", "roles/run.admin", "roles/secretmanager.admin"}
    assert {flag(command, "role") for command in grants}.isdisjoint(broad)


def test_senders_of_tickets_may_sign_them_as_the_invoker() -> None:
    def members(role: str) -> set[str]:
        grants = [command for command in all_commands(SUPABASE) if f"--role={role}" in command.arguments]
        return {flag(command, "member") for command in grants}

    senders = {f"serviceAccount:{SUPABASE.account(name)}" for name in ("chat", "collection", "embedding", "job")}
    assert members("roles/cloudtasks.enqueuer") == members("roles/iam.serviceAccountUser") == senders


def test_services_are_closed_and_their_concurrency_equals_their_threads() -> None:
    long_requests = {"headwater-chat": 64, "headwater-collection": 4 + 2, "headwater-embedding": 4 + 2}
    deployed = [command for command in all_commands(SUPABASE) if command.arguments[:2] == ("run", "deploy")]
    assert len(deployed) == 4
    assert all("--no-allow-unauthenticated" in command.arguments for command in deployed)
    for command in deployed:
        if command.arguments[2] == "headwater-sandbox":
            continue
        variables = dict(each.split("=", 1) for each in flag(command, "set-env-vars").split(","))
        assert int(variables["LONG_REQUESTS"]) == long_requests[command.arguments[2]]
        assert int(variables["THREADS"]) + int(variables["LONG_REQUESTS"]) == int(flag(command, "concurrency"))


def test_dispatch_deadline_equals_the_request_timeout() -> None:
    for name in ("chat", "collection", "embedding"):
        [command] = [
            each for each in all_commands(SUPABASE) if each.arguments[:3] == ("run", "deploy", f"headwater-{name}")
        ]
        variables = dict(each.split("=", 1) for each in flag(command, "set-env-vars").split(","))
        assert flag(command, "timeout") == f"{variables['DISPATCH_DEADLINE_S']}s"


def test_chat_settings_reach_only_the_chat_service() -> None:
    installation = replace(SUPABASE, settings=(("CHAT_MODEL", "extractive"), ("LOG_LEVEL", "DEBUG")))
    variables = {
        command.arguments[2]: flag(command, "set-env-vars")
        for command in all_commands(installation)
        if command.arguments[:2] == ("run", "deploy") and command.arguments[2] != "headwater-sandbox"
    }
    assert [name for name, text in variables.items() if "CHAT_MODEL" in text] == ["headwater-chat"]
    assert all("LOG_LEVEL=DEBUG" in text for text in variables.values())
