"""Routes of accounts: the caller, members, API keys, the audit log."""

from functools import partial

import flask

from functions.collection.accounts import audit, keys, members, personal_data
from functions.collection.accounts.audit import AuditLog, AuditQuery
from functions.collection.accounts.keys import ApiKeyList, CreatedApiKey, NewApiKey
from functions.collection.accounts.members import Me, Member, MemberChanges, MemberList, NewMember
from functions.collection.accounts.personal_data import DataDeletionQuery, DeletedData, MemberRemovalQuery
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.file_store.contents import Contents
from headwater.web.app import Call, Reply, Route


class AccountRoutes:
    """The routes' handlers."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.contents = Contents(database, settings)

    def routes(self) -> list[Route]:
        """Return the routes. A subject may contain slashes."""
        owners = partial(Route, access="owner", scope="accounts")
        my_data = "/api/me/data"
        members_path, member = "/api/members", "/api/members/<path:subject>"
        return [
            Route("GET", "/api/me", self.get_me, "Get the caller", returns=Me, scope="any"),
            Route(
                "GET",
                my_data,
                self.export_data,
                "Export the caller's data",
                scope="any",
                is_long=True,
                others=((200, "application/json"),),
            ),
            Route(
                "DELETE",
                my_data,
                self.delete_data,
                "Delete the caller's data",
                query=DataDeletionQuery,
                returns=DeletedData,
                scope="any",
            ),
            owners("GET", members_path, self.list_members, "List members", returns=MemberList),
            owners("POST", members_path, self.add_member, "Add a member", body=NewMember, returns=Member, status=201),
            owners("PATCH", member, self.update_member, "Update a member", body=MemberChanges, returns=Member),
            owners("DELETE", member, self.remove_member, "Remove a member", query=MemberRemovalQuery, status=204),
            owners("GET", "/api/keys", self.list_api_keys, "List API keys", returns=ApiKeyList),
            owners(
                "POST",
                "/api/keys",
                self.create_api_key,
                "Create an API key",
                body=NewApiKey,
                returns=CreatedApiKey,
                status=201,
            ),
            owners("DELETE", "/api/keys/<uuid:id>", self.revoke_api_key, "Revoke an API key", status=204),
            owners(
                "GET", "/api/audit-log", self.get_audit_log, "Read the audit log", query=AuditQuery, returns=AuditLog
            ),
        ]

    def get_me(self, call: Call) -> Me:
        """Get the caller: subject, role, current workspace, and all workspaces that `X-Workspace` may name.

        Open to API keys of any scope.
        """
        return members.read_me(self.database, call.caller)

    def export_data(self, call: Call) -> flask.Response:
        """Download all of the caller's data in the workspace, as JSON.

        That is their membership, API keys, conversations with all messages and ratings, share links, usage, budgets,
        and their entries of the audit log.
        """
        exported = personal_data.export(self.database, self.contents, call.caller)
        response = flask.Response(exported, content_type="application/json")
        response.headers["Content-Disposition"] = "attachment; filename=headwater-data.json"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def delete_data(self, call: Call) -> DeletedData:
        """Delete all of the caller's data in the workspace. It can't be restored.

        Costs stay in the workspace's sums, without the caller. With `leave`, the caller leaves the workspace, and the
        API keys that they created are deleted with their conversations. 409 for the last owner.
        """
        query: DataDeletionQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            return personal_data.delete_own(tx, call.caller, leave=query.leave)

    def list_members(self, call: Call) -> MemberList:
        """List the workspace's members, in the order in which they joined."""
        with self.database.transaction(call.workspace_id) as tx:
            return MemberList(members.read_members(tx, call.workspace_id))

    def add_member(self, call: Call) -> Member:
        """Add a member. `subject` is the `sub` claim of the member's tokens.

        403 for an API key with scopes or an expiry, since members have no such limit.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return members.add_member(tx, call.caller, call.body)

    def update_member(self, call: Call) -> Member:
        """Change a member's role or name. Omitted fields stay as they are.

        A lower role revokes the member's API keys with a higher one. The last owner must stay owner. 403 for an API key
        with scopes or an expiry that raises a role.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return members.change_member(tx, call.caller, call.path["subject"], call.body)

    def remove_member(self, call: Call) -> None:
        """Remove a member and revoke the API keys that they created. The last owner can't be removed.

        With `delete_data`, all of the member's data is deleted too, also that of a member who was removed before.
        """
        query: MemberRemovalQuery = call.args
        with self.database.transaction(call.workspace_id) as tx:
            if query.delete_data:
                personal_data.delete_of_member(tx, call.caller, call.path["subject"])
                return
            members.remove_member(tx, call.caller, call.path["subject"])

    def list_api_keys(self, call: Call) -> ApiKeyList:
        """List the workspace's API keys, newest first, including revoked and expired ones."""
        with self.database.transaction(call.workspace_id) as tx:
            return ApiKeyList(keys.read_keys(tx, call.workspace_id))

    def create_api_key(self, call: Call) -> Reply:
        """Create an API key. The response is the only one that contains the key itself.

        A key can't have a higher role than its creator, nor more scopes or a longer life than the key that creates it.
        """
        with self.database.transaction(call.workspace_id) as tx:
            created = keys.create_key(tx, call.caller, call.body)
        return Reply(created, 201, {"Cache-Control": "no-store"})

    def revoke_api_key(self, call: Call) -> None:
        """Revoke an API key and the keys that it created, effective immediately."""
        with self.database.transaction(call.workspace_id) as tx:
            keys.revoke_key(tx, call.caller, call.path["id"])

    def get_audit_log(self, call: Call) -> AuditLog:
        """Read who changed members, API keys, sources and the embedding model, newest entries first.

        Entries can't be changed. They are deleted after `KEEP_AUDIT_DAYS`.
        """
        with self.database.transaction(call.workspace_id) as tx:
            return audit.read_audit_log(tx, call.caller, call.args)
