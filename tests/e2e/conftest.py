"""The running stack that the end-to-end tests share."""

from collections.abc import Iterator

import pytest

from tests.harness.stacks import RunningStack, running_stack, temporary_data


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """One stack for the session, on its own data, with the fast `constant` embedder.

    For another embedder: `@pytest.mark.parametrize("stack", ["all-MiniLM-L6-v2"], indirect=True)`.
    """
    model = getattr(request, "param", "constant")
    with temporary_data() as data, running_stack(data, "--embedding-model", model) as running:
        yield running
