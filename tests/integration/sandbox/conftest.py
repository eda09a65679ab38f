"""The running service."""

from collections.abc import Iterator

import pytest

from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.runner import find_sandbox
from tests.fakes.sandbox_service import SandboxService, sandbox_service
from tests.harness.sandbox_host import sandbox_host


@pytest.fixture(scope="package")
def service() -> Iterator[SandboxService]:
    try:
        find_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"needs namespaces: {error.message}")
    with sandbox_service() as service:
        yield service


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with sandbox_host(tmp_path_factory.mktemp("host")) as values:
        yield values
