"""The Cloud Run v2 API with Google's client library: jobs, executions, tasks, operations and logs."""

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from tests.harness.localcloud import LOCATION, PATIENCE_S, SHELL_IMAGE, Cloud, is_alive, localcloud, wait_until

_job_ids = (f"job{number}" for number in itertools.count())

GRACE_S = 1.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Share a localcloud; each test has its own job."""
    folder = tmp_path_factory.mktemp("cloud")
    with localcloud(folder, *SHELL_IMAGE, "--termination-grace", str(GRACE_S)) as running:
        yield running


@pytest.fixture
def job_id() -> str:
    """Return a new job ID."""
    return next(_job_ids)


def conditions(execution: run_v2.Execution) -> dict[str, str]:
    return {condition.type_: condition.state.name for condition in execution.conditions}


def events_of(cloud: Cloud, execution: str) -> list[dict[str, Any]]:
    return [event for event in cloud.events if event.get("execution") == execution]


def test_job_is_created_updated_listed_and_deleted(cloud: Cloud, job_id: str) -> None:
    name = cloud.create_job(job_id, "true", task_count=3, parallelism=2, env={"A": "1"}, service_account="sa@x")
    job = cloud.jobs.get_job(name=name)
    assert (job.name, job.generation, job.terminal_condition.state.name) == (name, 1, "CONDITION_SUCCEEDED")
    assert (job.template.task_count, job.template.parallelism) == (3, 2)
    task = job.template.template
    assert (task.max_retries, task.timeout.total_seconds(), task.service_account) == (0, 600, "sa@x")
    assert [(variable.name, variable.value) for variable in task.containers[0].env] == [("A", "1")]
    task.max_retries = 5
    job.labels["team"] = "docs"
    changed = cloud.jobs.update_job(job=job).result(PATIENCE_S)
    assert (changed.generation, changed.template.template.max_retries, changed.labels["team"]) == (2, 5, "docs")
    assert name in [listed.name for listed in cloud.jobs.list_jobs(parent=LOCATION)]
    assert cloud.jobs.delete_job(name=name).result(PATIENCE_S).name == name
    with pytest.raises(exceptions.NotFound, match=f"Resource '{job_id}' of kind 'JOB' in region 'here'"):
        cloud.jobs.get_job(name=name)


def test_defaults_equal_those_of_the_real_service(cloud: Cloud, job_id: str) -> None:
    job = {"template": {"template": {"containers": [{"image": "shell"}]}}}
    cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id)
    template = cloud.jobs.get_job(name=f"{LOCATION}/jobs/{job_id}").template
    task = template.template
    assert (template.task_count, template.parallelism, task.max_retries, task.timeout.total_seconds()) == (1, 0, 3, 600)


def test_duplicate_name_and_outdated_etag_are_conflicts(cloud: Cloud, job_id: str) -> None:
    name = cloud.create_job(job_id, "true")
    with pytest.raises(exceptions.Conflict, match=f"Resource '{job_id}' already exists"):
        cloud.create_job(job_id, "true")
    old = cloud.jobs.get_job(name=name)
    cloud.jobs.update_job(job=old)
    with pytest.raises(exceptions.Conflict, match="etag"):
        cloud.jobs.update_job(job=old)
    missing = run_v2.Job(name=f"{LOCATION}/jobs/{job_id}-new", template=old.template)
    with pytest.raises(exceptions.NotFound):
        cloud.jobs.update_job(job=missing)
    created = cloud.jobs.update_job(request={"job": missing, "allow_missing": True}).result(PATIENCE_S)
    assert created.generation == 1


def test_execution_runs_all_tasks_with_the_container_contract(cloud: Cloud, job_id: str) -> None:
    script = 'echo "$CLOUD_RUN_JOB $CLOUD_RUN_EXECUTION $CLOUD_RUN_TASK_INDEX/$CLOUD_RUN_TASK_COUNT" '
    script += '"$CLOUD_RUN_TASK_ATTEMPT $WHO"; echo oops >&2'
    name = cloud.create_job(job_id, script, task_count=3, env={"WHO": "me"})
    operation = cloud.jobs.run_job(name=name)
    execution = operation.metadata.name
    assert execution.startswith(f"{name}/executions/{job_id}-")
    done = operation.result(PATIENCE_S)
    assert (done.name, done.succeeded_count, done.failed_count, done.running_count) == (execution, 3, 0, 0)
    assert set(conditions(done).values()) == {"CONDITION_SUCCEEDED"}
    assert done.completion_time >= done.start_time >= done.create_time
    short = execution.rpartition("/")[2]
    for index in range(3):
        assert cloud.logs(execution, index) == f"{job_id} {short} {index}/3 0 me\noops\n"
    tasks = list(cloud.job_tasks.list_tasks(parent=execution))
    assert [(task.index, task.last_attempt_result.exit_code, task.retried) for task in tasks] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
    ]
    assert cloud.job_tasks.get_task(name=tasks[1].name).index == 1
    latest = cloud.jobs.get_job(name=name).latest_created_execution
    assert (latest.name, latest.completion_status.name) == (short, "EXECUTION_SUCCEEDED")


def test_overrides_apply_to_one_execution(cloud: Cloud, job_id: str) -> None:
    name = cloud.create_job(job_id, "echo default $A$B$C", env={"A": "a", "B": "b"})
    variables = [{"name": "B", "value": "B"}, {"name": "C", "value": "C"}]
    changed = cloud.execute(
        name,
        container_overrides=[{"args": ['echo "$0" $A$B$C', "argument"], "env": variables}],
        task_count=2,
        timeout={"seconds": 60},
    )
    ended = cloud.wait_for_end(changed)
    assert (ended.task_count, ended.succeeded_count, ended.template.timeout.total_seconds()) == (2, 2, 60)
    assert [cloud.logs(changed, task) for task in (0, 1)] == ["argument aBC\n"] * 2
    plain = cloud.execute(name)
    assert cloud.wait_for_end(plain).task_count == 1
    assert cloud.logs(plain) == "default ab\n"
    cleared = cloud.execute(name, container_overrides=[{"clear_args": True}])
    assert cloud.wait_for_end(cleared).failed_count == 1  # /bin/sh -c without a script
    with pytest.raises(exceptions.BadRequest, match="no container named 'other'"):
        cloud.execute(name, container_overrides=[{"name": "other"}])


def test_secret_variable_has_the_value_of_localclouds_environment_or_the_override(cloud: Cloud, job_id: str) -> None:
    secret = {"secret_key_ref": {"secret": "home-of-root", "version": "3"}}
    variables = [{"name": "HOME", "value_source": secret}, {"name": "NOWHERE_SET", "value_source": secret}]
    container = {"image": "shell", "args": ["echo $HOME-$NOWHERE_SET-"], "env": variables}
    job = {"template": {"template": {"containers": [container], "max_retries": 0}}}
    created = cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id).result(PATIENCE_S)
    [home, nowhere] = created.template.template.containers[0].env
    assert (home.name, nowhere.name, home.value) == ("HOME", "NOWHERE_SET", "")
    assert (home.value_source.secret_key_ref.secret, home.value_source.secret_key_ref.version) == ("home-of-root", "3")
    override = {"container_overrides": [{"env": [{"name": "HOME", "value": "elsewhere"}]}]}
    for overrides, home_is in (({}, os.environ["HOME"]), (override, "elsewhere")):
        execution = cloud.execute(created.name, **overrides)
        assert cloud.wait_for_end(execution).succeeded_count == 1
        assert cloud.logs(execution) == f"{home_is}--\n"


def test_container_command_replaces_the_entrypoint_without_a_shell(cloud: Cloud, job_id: str) -> None:
    container = {"image": "shell", "command": ["/bin/echo"], "args": ["$HOME", "a b"]}
    job = {"template": {"template": {"containers": [container]}}}
    cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id)
    execution = cloud.execute(f"{LOCATION}/jobs/{job_id}")
    assert cloud.wait_for_end(execution).succeeded_count == 1
    assert cloud.logs(execution) == "$HOME a b\n"


def test_failed_task_is_retried_with_its_attempt_number(cloud: Cloud, job_id: str) -> None:
    script = 'echo "attempt $CLOUD_RUN_TASK_ATTEMPT"; [ "$CLOUD_RUN_TASK_ATTEMPT" = 2 ]'
    execution = cloud.execute(cloud.create_job(job_id, script, max_retries=2))
    ended = cloud.wait_for_end(execution)
    assert (ended.succeeded_count, ended.retried_count) == (1, 1)
    assert [cloud.logs(execution, attempt=attempt) for attempt in range(3)] == [f"attempt {n}\n" for n in range(3)]
    [task] = cloud.job_tasks.list_tasks(parent=execution)
    assert task.retried == 2


def test_failed_task_fails_its_execution_after_the_other_tasks(cloud: Cloud, job_id: str) -> None:
    script = '[ "$CLOUD_RUN_TASK_INDEX" != 1 ] || exit 7; sleep 0.2'
    name = cloud.create_job(job_id, script, task_count=3, max_retries=1)
    operation = cloud.jobs.run_job(name=name)
    execution = operation.metadata.name
    short = execution.rpartition("/")[2]
    message = f"Task {short}-task1 failed with exit code: 7 and message: The container exited with an error."
    with pytest.raises(exceptions.GoogleAPICallError, match="failed with exit code: 7"):
        operation.result(PATIENCE_S)
    ended = cloud.wait_for_end(execution)
    assert (ended.succeeded_count, ended.failed_count, ended.cancelled_count) == (2, 1, 0)
    completed = next(condition for condition in ended.conditions if condition.type_ == "Completed")
    assert (completed.state.name, completed.execution_reason.name) == ("CONDITION_FAILED", "NON_ZERO_EXIT_CODE")
    assert completed.message == message
    assert [event["exit_code"] for event in events_of(cloud, execution) if "exit_code" in event] == [7, 7]


def test_missing_command_exits_with_127(cloud: Cloud, job_id: str) -> None:
    container = {"image": "shell", "command": ["/no/such/program"]}
    job = {"template": {"template": {"containers": [container], "max_retries": 0}}}
    cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id)
    execution = cloud.execute(f"{LOCATION}/jobs/{job_id}")
    assert cloud.wait_for_end(execution).failed_count == 1
    [task] = cloud.job_tasks.list_tasks(parent=execution)
    assert task.last_attempt_result.exit_code == 127
    assert "/no/such/program" in cloud.logs(execution)


def test_signal_is_reported_as_term_signal(cloud: Cloud, job_id: str) -> None:
    execution = cloud.execute(cloud.create_job(job_id, "kill -SEGV $$"))
    assert cloud.wait_for_end(execution).failed_count == 1
    [task] = cloud.job_tasks.list_tasks(parent=execution)
    assert task.last_attempt_result.term_signal == 11


def test_parallelism_limits_running_tasks(cloud: Cloud, job_id: str, tmp_path: Path) -> None:
    script = f"echo started; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    execution = cloud.execute(cloud.create_job(job_id, script, task_count=5, parallelism=2))
    for task in (0, 1):
        cloud.wait_for_output(execution, "started", task)
    time.sleep(0.2)  # time for the others to start, if they did
    assert cloud.executions.get_execution(name=execution).running_count == 2
    (tmp_path / "go").touch()
    assert cloud.wait_for_end(execution).succeeded_count == 5


def test_task_timeout_sends_sigterm_and_retries(cloud: Cloud, job_id: str) -> None:
    script = """trap 'echo stopping; exit 0' TERM; echo started
        [ $CLOUD_RUN_TASK_ATTEMPT = 0 ] || exit 0; while :; do sleep 0.05; done"""
    execution = cloud.execute(cloud.create_job(job_id, script, timeout={"seconds": 1}, max_retries=1))
    ended = cloud.wait_for_end(execution)
    assert (ended.succeeded_count, ended.retried_count) == (1, 1)
    assert "stopping" in cloud.logs(execution)
    [failure] = [event for event in events_of(cloud, execution) if event["action"] == "run.attempt"]
    assert failure["message"] == "The configured timeout was reached."


def test_cancelling_sends_sigterm_and_starts_no_more_tasks(cloud: Cloud, job_id: str) -> None:
    script = "trap 'echo stopping; exit 0' TERM; echo started; while :; do sleep 0.05; done"
    name = cloud.create_job(job_id, script, task_count=2, parallelism=1, max_retries=3)
    execution = cloud.execute(name)
    cloud.wait_for_output(execution, "started")
    done = cloud.executions.cancel_execution(name=execution).result(PATIENCE_S)
    assert "stopping" in cloud.logs(execution)
    assert cloud.logs(execution, task=1) == ""
    assert (done.cancelled_count, done.failed_count, done.succeeded_count) == (1, 0, 0)
    [completed] = [condition for condition in done.conditions if condition.type_ == "Completed"]
    assert (completed.state.name, completed.execution_reason.name) == ("CONDITION_FAILED", "CANCELLED")
    again = cloud.executions.cancel_execution(name=execution).result(PATIENCE_S)
    assert again.completion_time == done.completion_time


def test_processes_that_ignore_sigterm_are_killed_with_their_children(cloud: Cloud, job_id: str) -> None:
    script = "trap 'echo stopping' TERM; sleep 300 & echo child $!; while :; do sleep 0.05; done"
    execution = cloud.execute(cloud.create_job(job_id, script))
    cloud.wait_for_output(execution, "child")
    cancelled_at = time.time()
    cloud.executions.cancel_execution(name=execution)
    ended = cloud.wait_for_end(execution)
    assert ended.completion_time.timestamp() - cancelled_at >= GRACE_S
    assert "stopping" in cloud.logs(execution)
    child = cloud.logs(execution).split("child ")[1].split()[0]
    wait_until(lambda: not is_alive(int(child)))


def test_children_of_a_finished_task_are_killed(cloud: Cloud, job_id: str) -> None:
    execution = cloud.execute(cloud.create_job(job_id, "sleep 300 & echo $!"))
    assert cloud.wait_for_end(execution).succeeded_count == 1
    wait_until(lambda: not is_alive(int(cloud.logs(execution))))


def test_wait_operation_returns_when_done_or_after_the_timeout(cloud: Cloud, job_id: str) -> None:
    operation = cloud.jobs.run_job(name=cloud.create_job(job_id, "sleep 0.5"))
    name = operation.operation.name
    status, early = cloud.rest("POST", f"/v2/{name}:wait", {"timeout": "0.05s"})
    assert (status, early.get("done")) == (200, None)
    status, done = cloud.rest("POST", f"/v2/{name}:wait", {"timeout": "20s"})
    assert (status, done["done"], done["response"]["succeededCount"]) == (200, True, 1)


def test_deleting_stops_processes_and_deletes_logs(cloud: Cloud, job_id: str) -> None:
    name = cloud.create_job(job_id, "echo $$; sleep 300")
    execution = cloud.execute(name)
    cloud.wait_for_output(execution, "\n")
    pid = int(cloud.logs(execution))
    cloud.executions.delete_execution(name=execution).result(PATIENCE_S)
    with pytest.raises(exceptions.NotFound):
        cloud.executions.get_execution(name=execution)
    assert cloud.rest("GET", f"/localcloud/executions/{execution.rpartition('/')[2]}/logs")[0] == 404
    wait_until(lambda: not is_alive(pid))
    second = cloud.execute(name)
    cloud.jobs.delete_job(name=name).result(PATIENCE_S)
    with pytest.raises(exceptions.NotFound):
        cloud.executions.get_execution(name=second)


def test_list_executions_returns_pages_newest_first(cloud: Cloud, job_id: str) -> None:
    name = cloud.create_job(job_id, "true")
    created = [cloud.execute(name) for _ in range(3)]
    listed = cloud.executions.list_executions(request={"parent": name, "page_size": 2})
    assert [execution.name for execution in listed] == created[::-1]
    everywhere = cloud.executions.list_executions(parent=f"{LOCATION}/jobs/-")
    assert set(created) <= {execution.name for execution in everywhere}


def test_job_with_an_unknown_image_cannot_run(cloud: Cloud, job_id: str) -> None:
    job = {"template": {"template": {"containers": [{"image": "registry.example/unknown:1"}]}}}
    operation = cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id)
    with pytest.raises(exceptions.GoogleAPICallError, match=r"Image 'registry.example/unknown:1' not found"):
        operation.result(PATIENCE_S)
    with pytest.raises(exceptions.BadRequest, match="--image NAME=COMMAND"):
        cloud.execute(f"{LOCATION}/jobs/{job_id}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volumes": [{"name": "v", "empty_dir": {}}]}, "TaskTemplate.volumes"),
        ({"vpc_access": {"connector": "c"}}, "TaskTemplate.vpcAccess"),
        ({"containers": [{"image": "shell"}, {"image": "shell"}]}, "several containers"),
    ],
)
def test_unsupported_field_is_rejected_by_name(cloud: Cloud, job_id: str, change: dict[str, Any], message: str) -> None:
    job = {"template": {"template": {"containers": [{"image": "shell"}], **change}}}
    with pytest.raises(exceptions.MethodNotImplemented, match=message):
        cloud.jobs.create_job(parent=LOCATION, job=job, job_id=job_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_count": 10_001}, "between 1 and 10000"),
        ({"max_retries": 11}, "between 0 and 10"),
        ({"timeout": {"seconds": 604801}}, "between 1s and 604800s"),
    ],
)
def test_value_beyond_its_limit_is_rejected(cloud: Cloud, job_id: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(exceptions.BadRequest, match=message):
        cloud.create_job(job_id, "true", **change)


@pytest.mark.parametrize("job_id", ["", "Upper", "-x", "x-", "x" * 64, "1x"])
def test_invalid_job_name_is_rejected(cloud: Cloud, job_id: str) -> None:
    with pytest.raises(exceptions.BadRequest, match="Job name"):
        cloud.create_job(job_id, "true")


def test_list_log_entries_returns_lines_with_time_and_severity(cloud: Cloud, job_id: str) -> None:
    event = json.dumps({"severity": "ERROR", "message": "boom", "time": "2026-11-22T01:02:03Z"})
    execution = cloud.execute(cloud.create_job(job_id, f"echo plain; echo '{event}'"))
    cloud.wait_for_end(execution)
    log_filter = f'resource.type = cloud_run_job AND resource.labels.job_name = "{job_id}"'

    def entries(more: str) -> list[dict[str, Any]]:
        body = {"resourceNames": ["projects/demo"], "filter": log_filter + more, "orderBy": "timestamp asc"}
        status, answer = cloud.rest("POST", "/v2/entries:list", body)
        assert status == 200, answer
        return list(answer["entries"])

    assert {entry["textPayload"] for entry in entries("")} == {"plain", event}
    [only] = entries(" AND severity >= WARNING")
    assert (only["severity"], only["timestamp"]) == ("ERROR", "2026-11-22T01:02:03Z")
    assert only["labels"]["run.googleapis.com/execution_name"] == execution.rpartition("/")[2]
    assert entries(' AND timestamp>="2999-01-01T00:00:00Z"') == []
    status, refused = cloud.rest("POST", "/v2/entries:list", {"filter": "textPayload:x"})
    assert (status, "textPayload:x" in refused["error"]["message"]) == (501, True)
