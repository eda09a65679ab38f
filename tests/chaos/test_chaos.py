"""A few chaos schedules: processes die and freeze, tickets get lost, provider and database fail.

`scripts/chaos` runs more of them. docs/reliability.md says what is covered.
"""

import shutil
from collections.abc import Iterator

import pytest

from scripts.checks import system_tools
from tests.chaos.schedules import ScheduleRunner
from tests.chaos.world import running_world

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes a repository with it"),
    pytest.mark.long,
]

SEEDS = (11578, 4728, 6209)
"""A schedule of each engine. Together they have eleven kinds of faults, and all answers and fates."""

SOURCES_SEED = 2
"""A schedule by tickets, with kills and freezes while five sources are collected."""


@pytest.fixture(scope="module")
def runner() -> Iterator[ScheduleRunner]:
    """One stack for all schedules."""
    with running_world() as world:
        yield ScheduleRunner(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_corpus_is_the_same_as_without_faults(runner: ScheduleRunner, seed: int) -> None:
    outcome = runner.run(seed)
    assert not outcome.differences, f"{outcome.plan}\n" + "\n".join(outcome.differences)


def test_other_sources_are_the_same_as_without_faults(runner: ScheduleRunner) -> None:
    if system_tools.program("dovecot") is None:
        pytest.skip("needs dovecot: it can't be installed here")
    outcome = runner.run(SOURCES_SEED, "sources")
    assert not outcome.differences, f"{outcome.plan}\n" + "\n".join(outcome.differences)
