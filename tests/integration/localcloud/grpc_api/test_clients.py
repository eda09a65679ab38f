"""gRPC has REST's implementation, clients work with their default transport, and nothing works without the token."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import run_v2, scheduler_v1, tasks_v2

from localcloud.grpc_api.methods import METHODS
from tests.harness.browser import NODE
from tests.harness.local_token import LOCAL_TOKEN
from tests.harness.localcloud import LOCATION, SHELL_IMAGE, Cloud, is_alive, localcloud, wait_until
from tests.harness.paths import ROOT

EDGE = ROOT / "edge"
DOCS = (ROOT / "docs" / "localcloud.md").read_text()
OIDC = {"service_account_email": "a@p.iam.gserviceaccount.com", "audience": "http://127.0.0.1:9"}
WRONG = [None, "", "Bearer", f"Basic {LOCAL_TOKEN}", f"Bearer {LOCAL_TOKEN}x", f"Bearer {LOCAL_TOKEN[:-1]}"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with localcloud(tmp_path_factory.mktemp("cloud") / "data", *SHELL_IMAGE) as running:
        yield running


def address(cloud: Cloud) -> str:
    return cloud.url.removeprefix("http://")


class _Token(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Adds the token to each call: without TLS, Google's clients don't send their credentials."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {LOCAL_TOKEN}")]
        return continuation(details._replace(metadata=metadata), request)


@pytest.fixture(scope="module")
def connect(cloud: Cloud) -> Iterator[Callable[[Any], Any]]:
    """A function that connects one of Google's clients by gRPC, without TLS."""
    with grpc.insecure_channel(address(cloud)) as plain:
        channel = grpc.intercept_channel(plain, _Token())
        yield lambda client: client(transport=client.get_transport_class("grpc")(channel=channel))


def test_tasks_created_by_grpc_are_those_of_rest(cloud: Cloud, connect: Callable[[Any], Any]) -> None:
    tasks = connect(tasks_v2.CloudTasksClient)
    name = f"{LOCATION}/queues/by-grpc"
    settings = {
        "rate_limits": {"max_dispatches_per_second": 2.5},
        "retry_config": {"min_backoff": {"nanos": 100_000_000}},
    }
    created = tasks.create_queue(parent=LOCATION, queue={"name": name, **settings})
    assert created == cloud.client.get_queue(name=name)
    assert tasks.pause_queue(name=name) == cloud.client.get_queue(name=name)
    mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
    updated = tasks.update_queue(
        queue={"name": name, "rate_limits": {"max_dispatches_per_second": 3}}, update_mask=mask
    )
    assert (updated.rate_limits.max_dispatches_per_second, updated.retry_config) == (3, created.retry_config)
    request = {"url": "http://127.0.0.1:9/x", "body": b"\x00\xff", "headers": {"X-A": "ü"}, "oidc_token": OIDC}
    full = tasks_v2.Task.View.FULL
    for n in range(3):
        task = {"name": f"{name}/tasks/t{n}", "http_request": request, "dispatch_deadline": {"seconds": 20}}
        made = tasks.create_task(request={"parent": name, "task": task, "response_view": full})
        assert made == cloud.client.get_task(request={"name": made.name, "response_view": full})
        assert made.http_request.body == b"\x00\xff"
    pages = tasks.list_tasks(request={"parent": name, "page_size": 2}).pages
    assert [[task.name[-2:] for task in page.tasks] for page in pages] == [["t0", "t1"], ["t2"]]
    assert list(tasks.list_queues(parent=LOCATION)) == list(cloud.client.list_queues(parent=LOCATION))
    assert tasks.delete_task(name=f"{name}/tasks/t0") is None
    assert cloud.task_ids(name) == ["t1", "t2"]
    assert tasks.run_task(name=f"{name}/tasks/t1").dispatch_count == 1
    tasks.purge_queue(name=name)
    assert cloud.task_ids(name) == []
    assert tasks.delete_queue(name=name) is None
    with pytest.raises(exceptions.NotFound):
        cloud.client.get_queue(name=name)


def test_jobs_run_by_grpc_are_those_of_rest(cloud: Cloud, connect: Callable[[Any], Any]) -> None:
    jobs, executions, job_tasks = map(connect, (run_v2.JobsClient, run_v2.ExecutionsClient, run_v2.TasksClient))
    container = {"image": "shell", "args": ["echo $WORD"], "env": [{"name": "WORD", "value": "one"}]}
    job = {"template": {"task_count": 2, "template": {"containers": [container], "max_retries": 0}}}
    created = jobs.create_job(parent=LOCATION, job=job, job_id="by-grpc").result(timeout=30)
    assert created == jobs.get_job(name=created.name) == cloud.jobs.get_job(name=created.name)
    override = {"env": [{"name": "WORD", "value": "two"}]}
    running = jobs.run_job(request={"name": created.name, "overrides": {"container_overrides": [override]}})
    ended = running.result(timeout=30)
    assert (ended.succeeded_count, ended.name) == (2, running.metadata.name)
    assert "two" in cloud.logs(ended.name)
    assert executions.get_execution(name=ended.name) == cloud.executions.get_execution(name=ended.name) == ended
    assert list(job_tasks.list_tasks(parent=ended.name)) == list(cloud.job_tasks.list_tasks(parent=ended.name))
    long = {"template": {"template": {"containers": [{"image": "shell", "args": ["sleep 600"]}]}, "task_count": 1}}
    jobs.update_job(job={"name": created.name, **long}).result(timeout=30)
    cancelled = jobs.run_job(name=created.name).metadata.name
    assert executions.cancel_execution(name=cancelled).result(timeout=60).cancelled_count == 1
    assert [one.name for one in executions.list_executions(parent=created.name)] == [cancelled, ended.name]
    executions.delete_execution(name=ended.name).result(timeout=30)
    assert jobs.delete_job(name=created.name).result(timeout=30).name == created.name
    assert list(jobs.list_jobs(parent=LOCATION)) == []


def test_schedules_created_by_grpc_are_those_of_rest(cloud: Cloud, connect: Callable[[Any], Any]) -> None:
    schedules = connect(scheduler_v1.CloudSchedulerClient)
    target = {"uri": "http://127.0.0.1:9/", "http_method": "PUT", "body": b"hi", "oidc_token": OIDC}
    name = f"{LOCATION}/jobs/nightly"
    job = {"name": name, "schedule": "0 3 * * *", "time_zone": "Europe/Berlin", "http_target": target}
    created = schedules.create_job(parent=LOCATION, job=job)
    _, read = cloud.rest("GET", f"/v1/{name}")
    assert created == scheduler_v1.Job.from_json(str(read).replace("'", '"'))
    assert schedules.pause_job(name=name).state.name == "PAUSED"
    assert schedules.resume_job(name=name).state.name == "ENABLED"
    changed = {"job": {"name": name, "schedule": "0 4 * * *"}, "update_mask": {"paths": ["schedule"]}}
    assert schedules.update_job(request=changed).schedule == "0 4 * * *"
    schedules.run_job(name=name)
    assert [one.name for one in schedules.list_jobs(parent=LOCATION)] == [name]
    schedules.delete_job(name=name)
    assert list(schedules.list_jobs(parent=LOCATION)) == []


def test_errors_are_those_of_rest(cloud: Cloud, connect: Callable[[Any], Any]) -> None:
    tasks, queue = connect(tasks_v2.CloudTasksClient), cloud.create_queue("errors")
    cloud.client.pause_queue(name=queue)
    task = {"name": f"{queue}/tasks/t", "http_request": {"url": "http://127.0.0.1:9/"}}
    tasks.create_task(parent=queue, task=task)
    large = {"http_request": {"url": "http://127.0.0.1:9/", "body": bytes(5 * 1024 * 1024)}}
    failures: list[tuple[Any, Callable[[], Any]]] = [
        (exceptions.AlreadyExists, lambda: tasks.create_task(parent=queue, task=task)),
        (exceptions.NotFound, lambda: tasks.get_task(name=f"{queue}/tasks/none")),
        (exceptions.InvalidArgument, lambda: tasks.create_task(parent=queue, task={"http_request": {"url": "x"}})),
        (exceptions.InvalidArgument, lambda: tasks.create_task(parent=queue, task=large)),
        (exceptions.InvalidArgument, lambda: tasks.get_task(name=queue)),
        (exceptions.InvalidArgument, lambda: tasks.delete_queue(name=f"{queue}/tasks/t")),
        (exceptions.InvalidArgument, lambda: tasks.get_queue(name="")),
        (exceptions.MethodNotImplemented, lambda: tasks.get_queue(name="x")),
        (exceptions.MethodNotImplemented, lambda: tasks.get_iam_policy(request={"resource": queue})),
    ]
    for kind, call in failures:
        with pytest.raises(kind) as raised:
            call()
        assert raised.value.message
    assert cloud.task_ids(queue) == ["t"]


def plain(cloud: Cloud) -> grpc.Channel:
    return grpc.insecure_channel(address(cloud))


def with_tls(cloud: Cloud) -> grpc.Channel:
    root = (cloud.data / "tls.pem").read_bytes()
    return grpc.secure_channel(address(cloud), grpc.ssl_channel_credentials(root_certificates=root))


@pytest.mark.parametrize("channel", [plain, with_tls])
def test_every_method_requires_the_token(cloud: Cloud, channel: Callable[[Cloud], grpc.Channel]) -> None:
    unknown = ["/google.cloud.tasks.v2.CloudTasks/BufferTask", "/x.Y/Z", "/grpc.reflection.v1.ServerReflection/Info"]
    with channel(cloud) as open_channel:
        for path in [*METHODS, *unknown]:
            call: Any = open_channel.unary_unary(path)
            for authorization in WRONG:
                metadata = [] if authorization is None else [("authorization", authorization)]
                with pytest.raises(grpc.RpcError) as raised:
                    call(b"", metadata=metadata, timeout=30)
                assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED, path
            with pytest.raises(grpc.RpcError) as raised:
                call(b"", metadata=[("authorization", f"Bearer {LOCAL_TOKEN}")], timeout=30)
            assert raised.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED), path


def test_wrong_token_runs_nothing(cloud: Cloud, connect: Callable[[Any], Any]) -> None:
    job = cloud.create_job("attacked", "echo ran")
    with plain(cloud) as channel:
        client: Any = run_v2.JobsClient(transport=run_v2.JobsClient.get_transport_class("grpc")(channel=channel))
        for authorization in WRONG:
            metadata = [] if authorization is None else [("authorization", authorization)]
            override = {"container_overrides": [{"args": ["touch /tmp/attacked"]}]}
            with pytest.raises(exceptions.Unauthenticated):
                client.run_job(request={"name": job, "overrides": override}, metadata=metadata)
    assert list(cloud.executions.list_executions(parent=job)) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"P",
        b"PR",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PRI \r\n\r\n" + bytes(1000),
        b"\x16\x03\x01",
        b"\x16" + bytes(70_000),
    ],
)
def test_broken_connections_leave_the_others_alone(cloud: Cloud, sent: bytes) -> None:
    host, _, port = address(cloud).partition(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(sent)
    assert cloud.rest("GET", f"/v2/{LOCATION}/queues")[0] == 200


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_process_ends_with_open_connections_and_continues(tmp_path: Path, signal_number: int) -> None:
    with localcloud(tmp_path / "data") as cloud, plain(cloud) as channel:
        tasks: Any = tasks_v2.CloudTasksClient(
            transport=tasks_v2.CloudTasksClient.get_transport_class("grpc")(
                channel=grpc.intercept_channel(channel, _Token())
            )
        )
        name = f"{LOCATION}/queues/q"
        tasks.create_queue(parent=LOCATION, queue={"name": name})
        cloud.stop(signal_number)
        wait_until(lambda: not is_alive(cloud.process.pid))
    with localcloud(tmp_path / "data") as cloud:
        assert cloud.client.get_queue(name=name).name == name


def example(language: str, cloud: Cloud) -> str:
    """Return the documentation's example in a language, with the port and files of a running localcloud."""
    [code] = re.findall(rf"```{language}\n(.*?)```", DOCS.partition("## Connect client libraries")[2], re.DOTALL)
    return str(code.replace("8791", cloud.url.rpartition(":")[2]).replace(".localcloud/token", str(cloud.token_file)))


def run_example(cloud: Cloud, *command: str, cwd: Path) -> str:
    """Run an example with the variable that the documentation names."""
    assert "export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=$PWD/.localcloud/tls.pem" in DOCS
    environment = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(cloud.data / "tls.pem")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_example_in_python_works_with_the_default_transport(tmp_path: Path) -> None:
    with localcloud(tmp_path / "data", "--image", "my-job=/bin/echo") as cloud:
        assert run_example(cloud, sys.executable, "-c", example("python", cloud), cwd=tmp_path) == "1\n"
        [queue] = cloud.client.list_queues(parent="projects/demo/locations/us-central1")
        assert queue.name.endswith("/mail")
        _, schedules = cloud.rest("GET", "/v1/projects/demo/locations/us-central1/jobs")
        assert [job["schedule"] for job in schedules["jobs"]] == ["0 3 * * *"]


needs_node_client = pytest.mark.skipif(
    NODE is None or not (EDGE / "node_modules" / "@google-cloud").exists(),
    reason="needs edge/node_modules: `npm ci` in edge/ brings the package `@google-cloud/tasks`",
)

WITHOUT_TLS = """
import { CloudTasksClient } from "@google-cloud/tasks";
import { credentials } from "@grpc/grpc-js";
const [port, token] = process.argv.slice(1);
const sslCreds = credentials.createInsecure();
const tasks = new CloudTasksClient({ apiEndpoint: "localhost", port: Number(port), sslCreds, projectId: "demo" });
const parent = "projects/demo/locations/here";
const queue = { name: `${parent}/queues/without-tls` };
await tasks.createQueue({ parent, queue }).then(() => process.exit(1), (error) => console.log(error.code));
const headers = { authorization: `Bearer ${token}` };
const [made] = await tasks.createQueue({ parent, queue }, { otherArgs: { headers } });
console.log(made.state);
"""


@needs_node_client
def test_example_in_node_works_with_the_default_transport(tmp_path: Path) -> None:
    with localcloud(tmp_path / "data") as cloud:
        command = (str(NODE), "--input-type=module", "--eval", example("js", cloud))
        assert "projects/demo/locations/us-central1/queues/mail/tasks/" in run_example(cloud, *command, cwd=EDGE)
        [queue] = cloud.client.list_queues(parent="projects/demo/locations/us-central1")
        assert queue.name.endswith("/mail")


@needs_node_client
def test_node_client_works_without_tls(cloud: Cloud) -> None:
    port = cloud.url.rpartition(":")[2]
    command = [str(NODE), "--input-type=module", "--eval", WITHOUT_TLS, "--", port, LOCAL_TOKEN]
    done = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == f"{grpc.StatusCode.UNAUTHENTICATED.value[0]}\nRUNNING\n", done.stderr
