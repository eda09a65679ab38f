"""The running stack, attacked by another user of the machine: files, processes, sockets, and every port."""

import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import grpc
import pg8000.dbapi
import psutil
import pytest

from localcloud.grpc_api.methods import METHODS
from scripts.openapi import all_routes
from tests.harness.other_user import Request, attack
from tests.harness.stack_contents import contents
from tests.harness.stacks import FUNCTIONS, RunningStack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")

INSTANCE = "projects/local/locations/local/queues/collection"
FORGED = {
    "Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImhlYWR3YXRlckBsb2NhbCJ9.",
    "Content-Type": "application/json",
    "X-CloudScheduler": "true",
    "X-CloudTasks-QueueName": "collection",
    "X-Forwarded-For": "127.0.0.1",
    "MF-Original-URL": "http://127.0.0.1/api/sources",
}
PUBLIC = {f"{function} GET {path}" for function in FUNCTIONS for path in ("/heartbeat", "/ready")}
PUBLIC |= {"localcloud GET /heartbeat", "localcloud GET /oauth2/v3/certs"}
"""What needs no token: whether a part runs, and the public key of localcloud's tickets."""
T = TypeVar("T")


@pytest.fixture
def processes(stack: RunningStack) -> list[psutil.Process]:
    return [psutil.Process(stack.supervisor.pid), *stack.family()]


@pytest.fixture(autouse=True)
def nothing_changes(stack: RunningStack) -> Iterator[None]:
    before = contents(stack)
    yield
    assert contents(stack) == before


def found_in(processes: list[psutil.Process], read: Callable[[psutil.Process], Iterable[T]]) -> list[T]:
    """Return what is read of all processes, but of those that have ended since they were listed."""
    found: list[T] = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found += read(process)
    return found


def listening(processes: list[psutil.Process]) -> set[int]:
    """Return all ports of the stack, also those that its parts use between themselves."""
    connections = found_in(processes, lambda process: process.net_connections(kind="tcp"))
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def test_files_are_closed_to_other_users(stack: RunningStack, processes: list[psutil.Process]) -> None:
    data = [stack.data, (stack.data / "pg").resolve()]
    paths = {*data, *(path for folder in data for path in folder.rglob("*"))}
    opened = {Path(file.path) for file in found_in(processes, lambda process: process.open_files())}
    temporary = {path for path in opened if path.is_relative_to("/tmp") or path.is_relative_to("/dev/shm")}
    paths |= temporary - {stack.log}  # of the test
    users = {process.uids().real for process in processes} - {0}
    paths |= {path for path in Path("/dev/shm").iterdir() if path.stat().st_uid in users}
    assert {"token", "secrets.json", "env", "password", "localcloud.db"} <= {path.name for path in paths}
    count, worked = attack(paths=sorted(map(str, paths)))
    assert worked == []
    assert count > 1000


def test_processes_are_closed_to_other_users(stack: RunningStack, processes: list[psutil.Process]) -> None:
    count, worked = attack(pids=[process.pid for process in processes])
    assert worked == []
    assert count > 100
    command_lines = found_in(processes, lambda process: [" ".join(process.cmdline())])
    assert any(command_lines)
    assert not [line for line in command_lines if any(secret in line for secret in stack.secrets)]


def test_unix_sockets_are_closed_to_other_users(processes: list[psutil.Process]) -> None:
    connections = found_in(processes, lambda process: process.net_connections(kind="unix"))
    names = {str(each.laddr) for each in connections} - {""}
    assert attack(sockets=sorted(names))[1] == []


def calls() -> set[tuple[str, str]]:
    """Return methods and paths of the stack's APIs, and of those that its tools have."""
    one = str(uuid.UUID(int=1))
    routes = [route for routes in all_routes().values() for route in routes]
    calls = {(route.method, re.sub("<.*?>", one, route.path)) for route in routes}
    calls |= {("GET", path) for path in ("/heartbeat", "/ready", "/self-test", "/oauth2/v3/certs")}
    calls |= {(method.verb, re.sub("{.*?}", INSTANCE, method.path)) for method in METHODS.values()}
    calls |= {("POST", f"/cdn-cgi/local/{name}") for name in ("platform-proxy", "scheduled", "email", "explorer")}
    return calls | {("POST", f"/core/{name}") for name in ("store-temp-file", "log", "do-storage")}


def test_ports_answer_nothing_without_the_token(stack: RunningStack, processes: list[psutil.Process]) -> None:
    ports = listening(processes)
    assert ports > set(stack.ports.values())
    requests = [Request(port, *call, headers) for port in ports for call in calls() for headers in ({}, FORGED)]
    count, worked = attack(requests=requests)
    assert count > 1000
    names = {str(port): name for name, port in stack.ports.items()}
    assert {f"{names.get(port, port)} {call}" for port, _, call in (name.partition(" ") for name in worked)} == PUBLIC


def test_grpc_answers_nothing_without_the_token(stack: RunningStack, processes: list[psutil.Process]) -> None:
    statuses = set()
    with grpc.insecure_channel(f"127.0.0.1:{stack.ports['localcloud']}") as channel:
        for path in METHODS:
            for metadata in ((), (("authorization", "Bearer x"),), (("x-goog-iam", "root"),)):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(path)(b"", metadata=metadata, timeout=30)
                statuses.add(caught.value.code())
    assert statuses == {grpc.StatusCode.UNAUTHENTICATED}


def test_postgres_lets_no_other_user_in(stack: RunningStack) -> None:
    for user in ("postgres", "app", "root", "nobody"):
        for database in ("headwater", "postgres", "template1"):
            for password in ("", "postgres", "app", stack.token):
                with pytest.raises(pg8000.Error):
                    pg8000.dbapi.connect(
                        user, host="127.0.0.1", port=stack.ports["postgres"], database=database, password=password
                    )
