"""Attacks on the sandbox, by both launchers, started by root and by an unprivileged user."""

import re
from collections.abc import Iterator

import pytest

from tests.harness.adversarial.sandbox import ATTACKS, ESCAPED, PREAMBLE, Attack
from tests.harness.sandbox_host import SECRET, sandbox_host
from tests.integration.headwater.sandbox.conftest import Run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with sandbox_host(tmp_path_factory.mktemp("host")) as values:
        yield values


@pytest.mark.sampled(3)  # each attack runs in one or two of the four ways, with --every-input in all
@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in ATTACKS])
def test_attack_fails_with_its_reason(run: Run, host: dict[str, str], attack: Attack) -> None:
    program = PREAMBLE + attack.program
    for name, value in host.items():
        program = program.replace(name, value)
    # Without the module `site`, Python starts in two thirds of the time.
    result = run(["python3", "-S", "-c", program])
    output = result.output.decode(errors="replace")
    assert ESCAPED not in output
    assert SECRET not in output
    assert result.reason in attack.reasons, output[-2000:]
    assert re.search(attack.says, output), output[-2000:]


def test_there_are_at_least_sixty_attacks() -> None:
    assert len({attack.name for attack in ATTACKS}) >= 60
