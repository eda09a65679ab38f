"""The routes about who may call: the caller, the members of the workspace, its API keys."""

from functions.collection.accounts import keys, members
from functions.collection.accounts.keys import ApiKeyList, CreatedApiKey, NewApiKey
from functions.collection.accounts.members import Me, Member, MemberChanges, MemberList, NewMember
from headwater.database.transactions import Database
from headwater.web.app import Call, Reply, Route


class AccountRoutes:
    """What the routes do, with what they need."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def routes(self) -> list[Route]:
        """Return them; a subject may hold slashes."""
        everybody, member = "/api/members", "/api/members/<path:subject>"
        return [
            Route("GET", "/api/me", self.read_me, "Who is calling", returns=Me, any_scope=True),
            Route("GET", everybody, self.list_members, "List the members", returns=MemberList, access="owner"),
            Route(
                "POST",
                everybody,
                self.add_member,
                "Add a member",
                body=NewMember,
                returns=Member,
                status=201,
                access="owner",
            ),
            Route(
                "PATCH",
                member,
                self.change_member,
                "Change a member's role or name",
                body=MemberChanges,
                returns=Member,
                access="owner",
            ),
            Route("DELETE", member, self.remove_member, "Remove a member", status=204, access="owner"),
            Route("GET", "/api/keys", self.list_keys, "List the API keys", returns=ApiKeyList, access="owner"),
            Route(
                "POST",
                "/api/keys",
                self.create_key,
                "Make an API key, which is told this once",
                body=NewApiKey,
                returns=CreatedApiKey,
                status=201,
                access="owner",
            ),
            Route("DELETE", "/api/keys/<uuid:id>", self.revoke_key, "Revoke an API key", status=204, access="owner"),
        ]

    def read_me(self, call: Call) -> Me:
        return members.read_me(self.database, call.caller)

    def list_members(self, call: Call) -> MemberList:
        with self.database.transaction(call.workspace_id) as tx:
            return MemberList(members.read_members(tx, call.workspace_id))

    def add_member(self, call: Call) -> Member:
        with self.database.transaction(call.workspace_id) as tx:
            return members.add_member(tx, call.workspace_id, call.body)

    def change_member(self, call: Call) -> Member:
        with self.database.transaction(call.workspace_id) as tx:
            return members.change_member(tx, call.workspace_id, call.path["subject"], call.body)

    def remove_member(self, call: Call) -> None:
        with self.database.transaction(call.workspace_id) as tx:
            members.remove_member(tx, call.workspace_id, call.path["subject"])

    def list_keys(self, call: Call) -> ApiKeyList:
        with self.database.transaction(call.workspace_id) as tx:
            return ApiKeyList(keys.read_keys(tx, call.workspace_id))

    def create_key(self, call: Call) -> Reply:
        with self.database.transaction(call.workspace_id) as tx:
            made = keys.create_key(tx, call.caller, call.body)
        return Reply(made, 201, {"Cache-Control": "no-store"})

    def revoke_key(self, call: Call) -> None:
        with self.database.transaction(call.workspace_id) as tx:
            keys.revoke_key(tx, call.workspace_id, call.path["id"])
