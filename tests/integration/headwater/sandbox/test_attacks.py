"""Attacks on the sandbox, by both launchers, started by root and by an unprivileged user."""

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.adversarial.sandbox import ATTACKS, ESCAPED, PREAMBLE, Attack
from tests.integration.headwater.sandbox.conftest import Run

pytestmark = pytest.mark.long

SECRET = "the secret of another tenant"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What is on the host for attacks to reach: readable by everyone, and of the user whom a sandbox has outside."""
    folder = tmp_path_factory.mktemp("host")
    for parent in (folder, *folder.parents):
        if parent.owner() == Path.home().owner() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    (folder / "secret").write_text(SECRET)
    name = f"headwater-test-{os.getpid()}"
    nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as unix,
        subprocess.Popen(["/bin/sleep", "1000"], user=nobody, env={"SECRET": SECRET}) as victim,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        unix.bind(str(folder / "socket"))
        unix.listen()
        (folder / "socket").chmod(0o777)
        yield {
            "SECRET_PATH": str(folder / "secret"),
            "SECRET_VALUE": SECRET,
            "VICTIM": str(victim.pid),
            "PORT": str(server.getsockname()[1]),
            "ABSTRACT_NAME": name,
            "SOCKET_PATH": str(folder / "socket"),
        }
        assert victim.poll() is None
        victim.kill()


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in ATTACKS])
def test_attack_fails_with_its_reason(run: Run, host: dict[str, str], attack: Attack) -> None:
    program = PREAMBLE + attack.program
    for name, value in host.items():
        program = program.replace(name, value)
    result = run(["python3", "-c", program])
    output = result.output.decode(errors="replace")
    assert ESCAPED not in output
    assert SECRET not in output
    assert result.reason in attack.reasons, output[-2000:]
    assert re.search(attack.says, output), output[-2000:]


def test_there_are_at_least_sixty_attacks() -> None:
    assert len({attack.name for attack in ATTACKS}) >= 60
