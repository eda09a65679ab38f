"""A dozen chaos schedules: processes die and freeze, tickets get lost, provider and database fail.

`scripts/chaos` runs more of them. docs/reliability.md says what is covered.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.chaos.schedules import Judge
from tests.chaos.world import running_world

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """One stack for all schedules."""
    with running_world() as world:
        yield Judge(world)


@pytest.mark.parametrize("seed", range(1, 13))
def test_corpus_is_the_same_as_without_faults(judge: Judge, seed: int) -> None:
    outcome = judge.run(seed)
    assert not outcome.differences, f"{outcome.plan}\n" + "\n".join(outcome.differences)
