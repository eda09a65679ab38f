"""The routes of installed agents: which there are, and which a workspace allows."""

from typing import Annotated

import msgspec

from functions.chat.agents.custom.choice import read_allowed, write_allowed
from headwater.agents.discovery import AgentInfo, list_agents
from headwater.database.transactions import Database
from headwater.web.app import Call, Route


class AgentSummary(msgspec.Struct, frozen=True):
    """An installed agent. `package`: where it comes from. `problem`: why it can't be used, null if it can.

    Whether its code runs shows when it is asked.
    """

    name: str
    description: str
    package: str
    allowed: bool
    problem: str | None


class AgentList(msgspec.Struct, frozen=True):
    """The installed agents, in the order of their names. The built-in one is not among them."""

    agents: list[AgentSummary]


class AllowedAgents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of the installed agents that members may choose; null for all."""

    allowed: Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=100)] | None


class AgentRoutes:
    """Handlers of the installed agents. `folder` is the setting `AGENTS_DIR`."""

    def __init__(self, database: Database, folder: str) -> None:
        self.database = database
        self.folder = folder

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = "/api/agents"
        return [
            Route("GET", path, self.list_agents, "List agents", returns=AgentList),
            Route(
                "PUT", path, self.allow_agents, "Allow agents", body=AllowedAgents, returns=AgentList, access="owner"
            ),
        ]

    def list_agents(self, call: Call) -> AgentList:
        """List the installed agents that questions may name, to owners also those that the workspace doesn't allow."""
        with self.database.transaction(call.workspace_id) as tx:
            allowed = read_allowed(tx, call.caller)
        return _summarize(list_agents(self.folder), allowed, everything=call.caller.role == "owner")

    def allow_agents(self, call: Call) -> AgentList:
        """Choose the installed agents that members of the workspace may ask. This applies to new questions."""
        found = list_agents(self.folder)
        with self.database.transaction(call.workspace_id) as tx:
            write_allowed(tx, call.caller, call.body.allowed, [agent.name for agent in found])
        return _summarize(found, call.body.allowed, everything=True)


def _summarize(found: list[AgentInfo], allowed: list[str] | None, *, everything: bool) -> AgentList:
    summaries = [
        AgentSummary(
            each.name, each.description, each.package, allowed is None or each.name in allowed, each.problem or None
        )
        for each in found
    ]
    return AgentList([each for each in summaries if everything or (each.allowed and not each.problem)])
