"""Record what calls of paid services used and cost, by day, model and caller.

A call is one upsert of a row of `usage`. Call it in a short transaction: instances that serve the same caller update
the same row.
"""

import uuid
from decimal import Decimal
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.callers import Caller
from headwater.usage.prices import Prices

Kind = Literal["chat", "embedding", "rerank", "web"]
"""What was called: a chat model, an embedding model, a reranker, or a search of the web."""


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of one or several calls.

    `input` includes `cached` (read from the provider's cache) and `cache_written`; `output` includes `reasoning`.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    cache_written: int = 0


class Payer(msgspec.Struct, frozen=True):
    """Whose call it is: a workspace's, and in it a member's or an API key's. Neither: the system did."""

    workspace_id: uuid.UUID
    member_id: str | None = None
    key_id: uuid.UUID | None = None


def payer_of(caller: Caller) -> Payer:
    """Return the payer of a caller's requests."""
    key_id = caller.key_id
    return Payer(caller.workspace_id, None if key_id else caller.subject, key_id)


def cost_of(prices: Prices, model: str, tokens: Tokens, calls: int = 1) -> Decimal | None:
    """Return the cost of calls in US dollars; None if the model has no price.

    With prices per million tokens of 3 (input), 0.3 (cached) and 15 (output), 1,000 input tokens of which 800 were
    cached, and 100 output tokens cost (200 · 3 + 800 · 0.3 + 100 · 15) / 10⁶ = 0.00234.
    """
    price = prices.find(model)
    if price is None:
        return None
    fresh = max(0, tokens.input - tokens.cached - tokens.cache_written)
    per_million = (
        fresh * price.input
        + tokens.cached * (price.input if price.cached is None else price.cached)
        + tokens.cache_written * (price.input if price.cache_written is None else price.cache_written)
        + tokens.output * price.output
    )
    return per_million / 1_000_000 + calls * price.call


def record_usage(
    tx: Connection, prices: Prices, payer: Payer, *, kind: Kind, model: str, tokens: Tokens, calls: int = 1
) -> Decimal | None:
    """Add calls to the usage of today (UTC), and return their cost; None if the model has no price.

    `model` is `provider:model`. The transaction is one of the payer's workspace, which must exist.
    """
    cost = cost_of(prices, model, tokens, calls)
    values = {
        "workspace_id": payer.workspace_id,
        "kind": kind,
        "model": model,
        "member_id": payer.member_id,
        "key_id": payer.key_id,
        "input_tokens": tokens.input,
        "cached_tokens": tokens.cached,
        "output_tokens": tokens.output,
        "reasoning_tokens": tokens.reasoning,
        "calls": calls,
        "unpriced_calls": calls if cost is None else 0,
        "cost": cost,
    }
    tx.execute(_RECORD, values)
    return cost


_RECORD = sa.text("""
    insert into usage as u (workspace_id, day, kind, model, member_id, key_id, input_tokens, cached_tokens,
      output_tokens, reasoning_tokens, calls, unpriced_calls, cost)
    values (:workspace_id, (now() at time zone 'UTC')::date, :kind, :model, :member_id, :key_id, :input_tokens,
      :cached_tokens, :output_tokens, :reasoning_tokens, :calls, :unpriced_calls, cast(:cost as numeric))
    on conflict on constraint uq_usage do update set
      input_tokens = u.input_tokens + excluded.input_tokens,
      cached_tokens = u.cached_tokens + excluded.cached_tokens,
      output_tokens = u.output_tokens + excluded.output_tokens,
      reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens,
      calls = u.calls + excluded.calls,
      unpriced_calls = u.unpriced_calls + excluded.unpriced_calls,
      cost = case when u.cost is null and excluded.cost is null then null
        else coalesce(u.cost, 0) + coalesce(excluded.cost, 0) end
""")
