"""The running stack that the end-to-end tests share, and a client of a stack with a document."""

from collections.abc import Iterator

import httpx
import pytest

from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """One stack for the session, on its own data, with the fast `constant` embedder.

    For another embedder: `@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)`.
    """
    model = getattr(request, "param", "constant")
    with temporary_data() as data, running_stack(data, "--embedding-model", model) as running:
        yield running


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[httpx.Client]:
    """Return a client of the API of the module's stack, once a document can be found."""
    with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60, trust_env=False) as client:
        repository = Repository(stack.data / "repository")
        repository.write({"guide.md": "# Guide\n\nInstall the compass with pip.\n"})
        config = {"kind": "git", "name": "guide", "config": {"url": repository.url}}
        source = client.post("/api/sources", json=config).json()
        client.post(f"/api/sources/{source['id']}/collect").raise_for_status()
        wait_until(lambda: client.get("/api/search", params={"q": "compass"}).json()["hits"])
        yield client
