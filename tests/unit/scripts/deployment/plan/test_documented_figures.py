"""Figures in docs/deploy.md and docs/deploy.example.toml equal those of the code."""

import tomllib

import pytest

from headwater.config import Settings
from scripts.cost import PRICES
from scripts.deployment.plan.installation import CloudSql, Limits
from scripts.deployment.plan.settings import CPUS, MEMORY_GIB, PARSER_BYTES, STREAMS, THREADS, variables
from scripts.deployment.plan.validation import connections_needed
from tests.harness.deployment import SUPABASE
from tests.harness.paths import ROOT

LIMITS = Limits()
PRICE = tomllib.loads(PRICES.read_text())


MIB = 1024**2


def repo_bytes(name: str) -> int:
    return int(variables(name, SUPABASE, "1")["MAX_REPO_BYTES"])


def gib(name: str) -> str:
    return f"({MEMORY_GIB[name]} GiB)"


@pytest.mark.parametrize(
    "figure",
    [
        f"= {connections_needed(LIMITS)} connections at most",
        f"{LIMITS.chat_instances} instances × {STREAMS} = {LIMITS.chat_instances * STREAMS} simultaneous answers",
        f"{THREADS['chat']} short ones and {STREAMS} answers",
        f"| memory of `headwater-collection` {gib('collection')} |",
        f"its own | {Settings.parse_processes} × {(Settings.parse_memory_bytes + PARSER_BYTES) // MIB} MiB |",
        f"`MAX_REPO_BYTES` for each of the `tickets` | {LIMITS.tickets} × {repo_bytes('collection') // MIB} MiB |",
        f"or one in a job worker {gib('job')}, which makes {repo_bytes('job') // 1024**3} GiB",
        f"the instance ({CloudSql().tier}, Postgres {CloudSql().version.removeprefix('POSTGRES_')}",
        f"${PRICE['cloudflare_workers']['paid_month']:.0f} a month",
    ],
)
def test_figure_is_the_codes(figure: str) -> None:
    assert figure in (ROOT / "docs" / "deploy.md").read_text()


def test_example_shows_the_defaults() -> None:
    example = tomllib.loads((ROOT / "docs" / "deploy.example.toml").read_text())
    assert CloudSql(**example["cloudsql"]) == CloudSql()
    assert Limits(**example["limits"]) == LIMITS
    assert CPUS.keys() == MEMORY_GIB.keys()
