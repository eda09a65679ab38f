"""Usage in the database: sums by day, model and caller."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from headwater.auth.callers import Caller
from headwater.database.transactions import Database
from headwater.usage.prices import load_prices
from headwater.usage.record import Kind, Payer, Tokens, payer_of, record_usage
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_workspace

KEY = uuid.UUID(int=7)
MEMBER = Payer(WORKSPACE, "ann")


def record(db: Database, payer: Payer, model: str, tokens: Tokens, kind: Kind = "chat") -> Decimal | None:
    with db.transaction(payer.workspace_id) as tx:
        return record_usage(tx, load_prices(), payer, kind=kind, model=model, tokens=tokens)


def rows(db: Database) -> list[tuple[Any, ...]]:
    columns = "kind, model, member_id, key_id, input_tokens, cached_tokens, output_tokens, reasoning_tokens, calls"
    with db.transaction(WORKSPACE) as tx:
        found = tx.execute(
            sa.text(f"select {columns}, unpriced_calls, cost from usage order by model, member_id, kind")
        )
        return [tuple(row) for row in found]


def test_payer_is_a_member_or_a_key() -> None:
    assert payer_of(Caller(WORKSPACE, "ann", "reader")) == MEMBER
    assert payer_of(Caller(WORKSPACE, f"key:{KEY}", "reader")) == Payer(WORKSPACE, None, KEY)


def test_calls_add_up_by_model_and_payer(database: FreshDatabase) -> None:
    with connected(database.url, 4) as db:
        add_workspace(db, WORKSPACE)
        assert record(db, MEMBER, "openai:gpt-4o", Tokens(1_000, 400, 100, 30)) == Decimal("0.003")
        record(db, MEMBER, "openai:gpt-4o", Tokens(1_000, 400, 100, 30))
        record(db, Payer(WORKSPACE, None, KEY), "openai:gpt-4o", Tokens(10))
        assert record(db, MEMBER, "openai:unknown", Tokens(5)) is None
        no_caller = Payer(WORKSPACE)
        for _ in range(2):
            record(db, no_caller, "openai:text-embedding-3-small", Tokens(1_000_000), "embedding")
        assert rows(db) == [
            ("chat", "openai:gpt-4o", "ann", None, 2_000, 800, 200, 60, 2, 0, Decimal("0.006")),
            ("chat", "openai:gpt-4o", None, KEY, 10, 0, 0, 0, 1, 0, Decimal("0.000025")),
            ("embedding", "openai:text-embedding-3-small", None, None, 2_000_000, 0, 0, 0, 2, 0, Decimal("0.04")),
            ("chat", "openai:unknown", "ann", None, 5, 0, 0, 0, 1, 1, None),
        ]


def test_concurrent_calls_of_one_member_lose_nothing(database: FreshDatabase) -> None:
    with connected(database.url, 4) as db:
        add_workspace(db, WORKSPACE)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: record(db, MEMBER, "openai:gpt-4o", Tokens(1)), range(40)))
        assert [row[4] for row in rows(db)] == [40]
