"""The attacks on the local sandbox, against the service."""

import re
import uuid

import pytest

from headwater.sandbox.service.remote import RemoteSandbox
from tests.fakes.sandbox_service import SandboxService
from tests.harness.adversarial.sandbox import ATTACKS, ESCAPED, PREAMBLE, Attack
from tests.harness.sandbox_host import QUICK, SECRET

pytestmark = pytest.mark.long


@pytest.mark.sampled(4)
@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in ATTACKS])
def test_attack_on_the_service_fails_with_its_reason(
    service: SandboxService, host: dict[str, str], attack: Attack
) -> None:
    program = PREAMBLE + attack.program
    for name, value in host.items():
        program = program.replace(name, value)
    sandbox = RemoteSandbox(service.url, uuid.UUID(int=1), service.session())
    result = sandbox.run(["python3", "-c", program], {}, QUICK)
    output = result.output.decode(errors="replace")
    assert ESCAPED not in output
    assert SECRET not in output
    assert result.reason in attack.reasons, output[-2000:]
    assert re.search(attack.says, output), output[-2000:]
