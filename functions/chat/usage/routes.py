"""The routes of usage, declined questions and budgets."""

import msgspec

from functions.chat.usage.declined import DeclinedQuery, DeclinedQuestions, read_declined
from functions.chat.usage.report import UsageQuery, UsageReport, read_usage
from headwater.database.transactions import Database
from headwater.usage.budgets import Budget, BudgetState, read_budgets, write_budgets
from headwater.usage.prices import load_prices
from headwater.usage.record import payer_of
from headwater.web.app import Call, Route


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All budgets of a workspace."""

    budgets: list[Budget]


class BudgetStates(msgspec.Struct, frozen=True):
    """Budgets with what is spent of them."""

    budgets: list[BudgetState]


class UsageRoutes:
    """Handlers that report usage, and read and change budgets. `own_prices` is the setting `PRICES`."""

    def __init__(self, database: Database, own_prices: str) -> None:
        self.database = database
        self.own_prices = own_prices

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/api/usage", self.get_usage, "Get usage and cost", query=UsageQuery, returns=UsageReport),
            Route(
                "GET",
                "/api/usage/declined",
                self.list_declined,
                "List declined questions",
                query=DeclinedQuery,
                returns=DeclinedQuestions,
            ),
            Route("GET", "/api/budgets", self.list_budgets, "List budgets", returns=BudgetStates),
            Route(
                "PUT",
                "/api/budgets",
                self.set_budgets,
                "Change budgets",
                body=Budgets,
                returns=BudgetStates,
                access="owner",
            ),
        ]

    def get_usage(self, call: Call) -> UsageReport:
        """Get what calls of models and other paid services used and cost, by day, member, API key or model.

        Owners see the whole workspace's, others their own.
        """
        prices = load_prices(self.own_prices)
        with self.database.transaction(call.workspace_id) as tx:
            everyone = call.caller.role == "owner"
            return read_usage(tx, payer_of(call.caller), call.args, prices.date, everyone=everyone)

    def list_declined(self, call: Call) -> DeclinedQuestions:
        """List the questions for which nothing relevant was found, latest first. They show what the documents lack.

        Owners see the whole workspace's, without who asked; others their own. Questions of deleted conversations are
        left out.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return read_declined(tx, call.caller, call.args, everyone=call.caller.role == "owner")

    def list_budgets(self, call: Call) -> BudgetStates:
        """List the budgets that apply to the caller, to owners all of the workspace's, and what is spent of each."""
        with self.database.transaction(call.workspace_id) as tx:
            is_owner = call.caller.role == "owner"
            return BudgetStates(read_budgets(tx, payer_of(call.caller), all_targets=is_owner))

    def set_budgets(self, call: Call) -> BudgetStates:
        """Replace the workspace's budgets. Questions that would exceed one are refused until it renews."""
        with self.database.transaction(call.workspace_id) as tx:
            write_budgets(tx, call.caller, call.body.budgets)
            return BudgetStates(read_budgets(tx, payer_of(call.caller), all_targets=True))
