"""Prices: the table, an installation's own prices, and the cost of calls."""

from decimal import Decimal
from pathlib import Path

import pytest

from headwater.errors import ConfigError
from headwater.usage.prices import load_prices
from headwater.usage.record import Tokens, cost_of


def test_cost_of_cached_tokens_is_that_of_the_worked_example() -> None:
    tokens = Tokens(input=1_000, cached=800, output=100)
    assert cost_of(load_prices(), "anthropic:claude-sonnet-4-5", tokens) == Decimal("0.00234")


def test_cost_counts_written_cache_and_calls() -> None:
    assert cost_of(load_prices(), "anthropic:claude-haiku-4-5", Tokens(input=1_000, cache_written=1_000)) == Decimal(
        "0.00125"
    )
    assert cost_of(load_prices(), "tavily:basic", Tokens(), calls=3) == Decimal("0.024")


def test_dated_release_costs_what_its_model_does() -> None:
    prices = load_prices()
    assert prices.find("anthropic:claude-sonnet-4-5-20250929") == prices.models["anthropic:claude-sonnet-4-5"]
    assert prices.find("openai:gpt-4o-2024-08-06") == prices.models["openai:gpt-4o"]


def test_own_server_is_free_and_unknown_model_has_no_price() -> None:
    prices = load_prices()
    assert cost_of(prices, "ollama:llama3.2", Tokens(input=10)) == 0
    assert cost_of(prices, "openai:gpt-99", Tokens(input=10)) is None
    assert cost_of(prices, "openrouter:anything", Tokens(input=10)) is None


def test_own_prices_replace_those_of_the_table(tmp_path: Path) -> None:
    own = '[models]\n"openai:gpt-4o" = { input = 1, output = 2 }\n"openrouter:*" = { input = 0.5 }\n'
    (tmp_path / "prices.toml").write_text(own)
    for setting in (own, str(tmp_path / "prices.toml")):
        prices = load_prices(setting)
        assert cost_of(prices, "openai:gpt-4o", Tokens(1_000_000, cached=500_000)) == 1
        assert cost_of(prices, "openrouter:meta/llama", Tokens(1_000_000)) == Decimal("0.5")
        assert prices.find("openai:o3") == load_prices().find("openai:o3")


@pytest.mark.parametrize(
    "own",
    [
        "/no/such/file",
        "a = = b",
        'models = "x"',
        '[models]\n"a:b" = { input = -1 }',
        '[models]\n"a:b" = { input = nan }',
        '[models]\n"a:b" = { input = 1e30 }',
        '[models]\n"a:b" = { inpt = 1 }',
        '[models]\n"a:b" = 3',
        "date = 3",
        "\0=",
    ],
)
def test_invalid_prices_are_a_config_error(own: str) -> None:
    with pytest.raises(ConfigError, match="PRICES"):
        load_prices(own)
