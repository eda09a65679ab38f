"""Costs computed from measured processor time and prices, and the page docs/costs.md."""

import json
import tomllib
from typing import Any

import pytest

from scripts.cost import MEASURED, PAGE, PRICES, Costs, dollars, page, table
from scripts.deployment.plan.installation import CloudSql

SERVICE_S = 0.000024 + 2 * 0.0000025
MEASUREMENTS = {
    "start_cpu_s": {"collection": 1.0},
    "tick_cpu_s": {"collection": 0.5},
    "collect": {
        "cpu_s_per_page": {"collection": 0.01, "embedding": 0.2},
        "chunks_per_page": 10,
        "embedding_cpu_s_per_chunk": 0.02,
    },
    "answers": {"cpu_s_per_answer": {"chat": 0.1}, "prompt_characters": 8000},
}


@pytest.fixture
def costs() -> Costs:
    return Costs(MEASUREMENTS, tomllib.loads(PRICES.read_text()))


def ours(lines: Any) -> dict[str, float]:
    return {line.name: line.ours for line in lines}


def test_idle_month_pays_for_four_ticks_an_hour(costs: Costs) -> None:
    [compute, *_] = costs.idle_month()
    ticks = 730 * 4
    assert compute.ours == pytest.approx(ticks * (1.5 * 2 * SERVICE_S + 0.0000004))
    assert compute.theirs == pytest.approx(730 * 3600 * (2 * 0.000018 + 4 * 0.000002))


def test_pages_pay_for_twice_their_processor_time(costs: Costs) -> None:
    paid = ours(costs.pages(1000))
    # 2 vCPU and 2 GiB: a second of one vCPU is billed with one GiB.
    assert paid["compute: embedding"] == pytest.approx(200 * 2 * (0.000024 + 0.0000025) + 15 * 0.0000004)
    assert paid["compute: collection"] == pytest.approx(10 * 2 * SERVICE_S + 15 * 0.0000004)


def test_answers_pay_for_the_vcpu_while_the_model_writes_and_for_tokens(costs: Costs) -> None:
    paid = ours(costs.answers(1000))
    assert paid["compute: chat"] == pytest.approx(8000 * (0.000024 + 0.0000025) + 1000 * 0.0000004)
    assert paid["model tokens"] == pytest.approx(2_000_000 * 0.000003 + 300_000 * 0.000015)


def test_model_switch_embeds_every_passage_once_in_the_job(costs: Costs) -> None:
    [job] = costs.switch(1000)
    assert job.ours == pytest.approx(10_000 * 0.02 * (0.000018 + 2 * 0.000002))


def test_cloud_sql_is_priced_at_the_size_that_is_deployed(costs: Costs) -> None:
    assert CloudSql().tier == "db-custom-1-3840"
    assert costs.cloudsql_month() == pytest.approx(730 * (0.0413 + 3.75 * 0.007) + 10 * 0.17)
    assert f"`{CloudSql().tier}`, 10 GB), the database is\n$51.01" in PAGE.read_text()


def test_amounts_are_rounded_to_cents_or_two_digits_and_summed(costs: Costs) -> None:
    assert [dollars(amount) for amount in (0, 25, 0.194, 0.0031415)] == ["$0.00", "$25.00", "$0.19", "$0.0031"]
    assert table(costs.idle_month()).endswith(f"**{dollars(sum(ours(costs.idle_month()).values()))}** | **$146.19** |")


def test_committed_page_matches_measurements_and_prices() -> None:
    written = page(json.loads(MEASURED.read_text()), tomllib.loads(PRICES.read_text()))
    assert PAGE.read_text() == written, "run: scripts/cost"
