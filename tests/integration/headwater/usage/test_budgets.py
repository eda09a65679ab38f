"""Budgets: refused before they are spent, also by concurrent calls; reservations of dead processes expire."""

import datetime as dt
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import sqlalchemy as sa

from headwater.auth.callers import Caller
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.usage.budgets import Budget, BudgetExceeded, read_budgets, release, reserve, write_budgets
from headwater.usage.prices import load_prices
from headwater.usage.record import Payer, Tokens, record_usage
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, add_workspace

KEY = uuid.UUID(int=7)
ANN, BOB, BY_KEY = Payer(WORKSPACE, "ann"), Payer(WORKSPACE, "bob"), Payer(WORKSPACE, None, KEY)
OWNER = Caller(WORKSPACE, "ann", "owner")
ESTIMATE = Decimal("0.1")


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    with connected(database.url, 8) as db:
        add_workspace(db, WORKSPACE)
        yield db


def set_budgets(db: Database, *budgets: Budget) -> None:
    with db.transaction(WORKSPACE) as tx:
        write_budgets(tx, OWNER, list(budgets))


def try_to_reserve(
    db: Database, payer: Payer, amount: Decimal | None = ESTIMATE, for_s: float = 60
) -> uuid.UUID | None:
    with db.transaction(WORKSPACE) as tx:
        return reserve(tx, payer, amount, for_s=for_s)


def spend(db: Database, payer: Payer, dollars: str) -> None:
    prices = load_prices(f'[models]\n"a:b" = {{ call = {dollars} }}')
    with db.transaction(WORKSPACE) as tx:
        record_usage(tx, prices, payer, kind="chat", model="a:b", tokens=Tokens())


def test_fifty_concurrent_calls_reserve_no_more_than_the_budget(db: Database) -> None:
    set_budgets(db, Budget("workspace", "day", 1.0), Budget("member", "month", 5.0))

    def ask(_: int) -> bool:
        try:
            reservation = try_to_reserve(db, ANN)
        except BudgetExceeded:
            return False
        assert reservation
        spend(db, ANN, "0.15")
        return True

    with ThreadPoolExecutor(50) as pool:
        answered = sum(pool.map(ask, range(50)))
    with db.transaction(WORKSPACE) as tx:
        spent = tx.execute(sa.text("select sum(cost) from usage")).scalar_one()
    assert answered * Decimal("0.15") == spent
    assert 4 <= answered <= 10  # reservations are kept here, so each counts 0.10 to 0.25
    assert spent <= 1 + answered * (Decimal("0.15") - ESTIMATE)


def test_refusal_names_the_budget_and_when_it_renews(db: Database) -> None:
    set_budgets(db, Budget("workspace", "month", 0.05))
    with pytest.raises(
        BudgetExceeded, match=r"budget of \$0.05 a month is used up. It renews on \d{4}-\d\d-01"
    ) as caught:
        try_to_reserve(db, ANN)
    renews_at = dt.datetime.fromisoformat(caught.value.fields["renews_at"])
    assert (renews_at.day, renews_at.hour, renews_at.utcoffset()) == (1, 0, dt.timedelta(0))
    assert renews_at > dt.datetime.now(dt.UTC)


def test_budget_of_each_member_counts_members_apart(db: Database) -> None:
    set_budgets(db, Budget("member", "day", 0.3), Budget("key", "day", 0.05, str(KEY)))
    spend(db, ANN, "0.25")
    with pytest.raises(BudgetExceeded, match="Your budget"):
        try_to_reserve(db, ANN)
    assert try_to_reserve(db, BOB)
    with pytest.raises(BudgetExceeded, match="API key's budget"):
        try_to_reserve(db, BY_KEY)
    assert try_to_reserve(db, Payer(WORKSPACE, None, uuid.UUID(int=8))) is None


def test_released_and_expired_reservations_are_free_again(db: Database) -> None:
    set_budgets(db, Budget("workspace", "day", 0.1))
    reservation = try_to_reserve(db, ANN)
    assert reservation
    with pytest.raises(BudgetExceeded):
        try_to_reserve(db, ANN)
    with db.transaction(WORKSPACE) as tx:
        release(tx, WORKSPACE, reservation)
    assert try_to_reserve(db, ANN, for_s=0)  # of a process that dies
    assert try_to_reserve(db, ANN)


def test_calls_of_unknown_cost_are_refused_once_the_budget_is_spent(db: Database) -> None:
    assert try_to_reserve(db, ANN, None) is None
    set_budgets(db, Budget("workspace", "day", 0.1))
    assert try_to_reserve(db, ANN, None) is None
    spend(db, BOB, "0.1")
    with pytest.raises(BudgetExceeded):
        try_to_reserve(db, ANN, None)


def test_budgets_are_listed_with_what_the_caller_spent(db: Database) -> None:
    set_budgets(db, Budget("workspace", "day", 2), Budget("member", "day", 1), Budget("member", "day", 3, "bob"))
    spend(db, ANN, "0.25")
    spend(db, BOB, "0.5")
    with db.transaction(WORKSPACE) as tx:
        owners = [(each.target, each.amount, each.spent) for each in read_budgets(tx, ANN, all_targets=True)]
        members = [(each.target, each.amount, each.spent) for each in read_budgets(tx, ANN, all_targets=False)]
    assert owners == [("", 2.0, 0.75), ("", 1.0, 0.25), ("bob", 3.0, 0.5)]
    assert members == owners[:2]


@pytest.mark.parametrize(
    "budgets",
    [
        [Budget("workspace", "day", 1), Budget("workspace", "day", 2)],
        [Budget("workspace", "day", 1, "ann")],
        [Budget("member", "day", 1, str(n)) for n in range(201)],
    ],
)
def test_invalid_budgets_are_rejected(db: Database, budgets: list[Budget]) -> None:
    with pytest.raises(UnprocessableContent, match="budgets"):
        set_budgets(db, *budgets)


def test_concurrent_changes_leave_the_budgets_of_one(db: Database) -> None:
    def change(n: int) -> None:
        set_budgets(db, *(Budget("member", "day", float(n), f"m{target}") for target in range(20)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    with db.transaction(WORKSPACE) as tx:
        assert len({budget.amount for budget in read_budgets(tx, ANN, all_targets=True)}) == 1


def test_target_with_a_nul_character_is_rejected(db: Database) -> None:
    with pytest.raises(UnprocessableContent, match="NUL character"):
        set_budgets(db, Budget("member", "day", 1.0, "ann"), Budget("member", "day", 2.0, "ann\0"))
