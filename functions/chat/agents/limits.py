"""Limits of one answer of an agent, and the notices that say which limit was reached. Pure."""

from decimal import Decimal

import msgspec

from headwater.config import Settings

NO_MODEL = "Agents need a language model. Set CHAT_MODELS."


class Used(msgspec.Struct, frozen=True):
    """What an agent has used so far."""

    model_calls: int
    tokens: int
    cost: Decimal
    seconds: float


class LimitReached(Exception):
    """An agent that decides itself when it ends has not ended at a limit. `reached` is the end of a sentence."""

    def __init__(self, reached: str) -> None:
        super().__init__(reached)
        self.reached = reached


class Limits(msgspec.Struct, frozen=True):
    """The limits of an answer. Money is in US dollars; models without a price count as free."""

    steps: int
    tokens: int
    cost: float
    seconds: float
    prefix: str = ""
    """Of the names of the settings for steps and tokens."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the limits of the settings."""
        return cls(settings.agent_steps, settings.agent_tokens, settings.agent_cost, settings.agent_seconds)

    @classmethod
    def of_sub_agent(cls, settings: Settings) -> "Limits":
        """Return the limits of a sub-agent: steps and tokens of its own, money and time of the whole answer."""
        return cls(
            settings.sub_agent_steps, settings.sub_agent_tokens, settings.agent_cost, settings.agent_seconds, "SUB_"
        )

    def reached(self, used: Used) -> str:
        """Return which limit is reached, as the end of a sentence; "" for none. The last step is for the answer."""
        if used.model_calls >= self.steps - 1:
            return f"{self.steps} steps ({self.prefix}AGENT_STEPS)"
        if used.tokens >= self.tokens:
            return f"{self.tokens:,} tokens ({self.prefix}AGENT_TOKENS)"
        if used.cost >= Decimal(str(self.cost)):
            return f"${self.cost:g} (AGENT_COST)"
        if used.seconds >= self.seconds:
            return f"{self.seconds:g} s (AGENT_SECONDS)"
        return ""


def conclusion(reached: str) -> str:
    """Return the instruction for the model's last turn."""
    return (
        f"[This is your last turn: you have reached the limit of {reached}. Call no more tools. Write your answer now "
        "from what you have found, and say what you could not find out.]"
    )


def notice(reached: str) -> str:
    """Return the notice that is shown below the answer."""
    return f"The agent reached its limit of {reached}. This answer may be incomplete: ask for the rest, or for less."
