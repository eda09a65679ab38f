"""Which limit of an agent is reached, and what it says."""

from decimal import Decimal

import pytest

from functions.chat.agents.limits import Limits, Used, conclusion, notice

LIMITS = Limits(steps=5, tokens=1_000, cost=0.5, seconds=60)
LITTLE = {"model_calls": 1, "tokens": 10, "cost": Decimal(0), "seconds": 1.0}


@pytest.mark.parametrize(
    ("more", "reached"),
    [
        ({}, ""),
        ({"model_calls": 3, "tokens": 999, "cost": Decimal("0.499"), "seconds": 59.9}, ""),
        ({"model_calls": 4}, "5 steps (AGENT_STEPS)"),
        ({"tokens": 1_000}, "1,000 tokens (AGENT_TOKENS)"),
        ({"cost": Decimal("0.5")}, "$0.5 (AGENT_COST)"),
        ({"seconds": 60.0}, "60 s (AGENT_SECONDS)"),
    ],
)
def test_limit_is_reached(more: dict[str, object], reached: str) -> None:
    assert LIMITS.reached(Used(**(LITTLE | more))) == reached  # type: ignore[arg-type]


def test_model_and_person_are_told_the_limit() -> None:
    assert "limit of 5 steps" in conclusion("5 steps")
    assert notice("5 steps").startswith("The agent reached its limit of 5 steps.")
