"""Authenticate callers by `Authorization: Bearer …`, a JWT or an API key.

The header `X-Workspace` selects one of the caller's workspaces; the default is the one that the caller joined first.
"""

import uuid

import flask

from headwater.auth import api_keys, audit_log, callers
from headwater.auth.callers import Caller, Key, RequiredScope
from headwater.auth.sign_up import sign_up
from headwater.auth.user_tokens import Identity, UserTokens
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import BadRequest, Forbidden, Unauthorized


class Bearer:
    """Authenticates callers of the function `service`."""

    def __init__(self, settings: Settings, database: Database, service: str) -> None:
        self.settings = settings
        self.database = database
        self.service = service
        self.tokens = UserTokens(settings)

    def check(self, request: flask.Request, scope: RequiredScope) -> Caller:
        """Return the caller, whose API key may have to have a scope.

        Raises Unauthorized, Forbidden, or UpstreamError if the issuer's keys are unavailable.
        """
        token = read_token(request)
        workspace_id = selected_workspace(request)
        if token.startswith(api_keys.PREFIX):
            return self._check_key(token, workspace_id, scope or self.service)
        return self._check_identity(self.tokens.verify(token), workspace_id)

    def _check_key(self, text: str, workspace_id: uuid.UUID | None, scope: str) -> Caller:
        key = None
        if api_keys.is_well_formed(text):
            with self.database.transaction(ALL_WORKSPACES) as tx:
                key = callers.find_key(tx, api_keys.hash_key(text))
        if key is None:
            raise Unauthorized("This isn't a valid API key. Copy the whole key and try again.")
        self._record_use(key)
        if key.state != "usable":
            raise Unauthorized(f"The API key is {key.state}. Ask an owner of its workspace for a new one.")
        if workspace_id not in (None, key.workspace_id):
            raise Forbidden("The API key belongs to another workspace than X-Workspace. Omit that header.")
        if key.scopes and scope not in key.scopes and scope != "any":
            raise Forbidden(f"The API key is limited to {', '.join(key.scopes)}. Use a key with the scope {scope}.")
        return key.caller

    def _record_use(self, key: Key) -> None:
        """Record the time of a key's last use, at most once a minute, or in the audit log that it was refused."""
        if key.state == "usable" and not key.is_due:
            return
        with self.database.transaction(key.workspace_id) as tx:
            if key.state == "usable":
                callers.record_use(tx, key)
            else:
                audit_log.record_refusal(tx, key)

    def _check_identity(self, identity: Identity, workspace_id: uuid.UUID | None) -> Caller:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            caller = callers.find_member(tx, identity.subject, workspace_id)
        if caller is not None:
            return caller
        if workspace_id is not None:
            raise Forbidden(
                f"You aren't a member of the workspace {workspace_id}. `GET /api/me` lists your workspaces."
            )
        if self.settings.sign_up == "open":
            caller = sign_up(self.database, self.settings.auth_issuer, identity.subject, identity.name)
        if caller is None:
            raise Forbidden(
                "You aren't a member of any workspace. Ask an owner to add you (`POST /api/members`) by your subject, "
                f"{identity.subject!r}."
            )
        return caller


def read_token(request: flask.Request, advice: str = "Send a token or an API key") -> str:
    """Return the request's bearer token; raises Unauthorized without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(f"{advice}: `Authorization: Bearer …`.")
    return token.strip()


def selected_workspace(request: flask.Request) -> uuid.UUID | None:
    """Return the workspace of the header `X-Workspace`, None without one; raises BadRequest if it is no id."""
    selected = request.headers.get("X-Workspace")
    try:
        return uuid.UUID(selected) if selected else None
    except ValueError as error:
        raise BadRequest("X-Workspace must be a workspace's id. `GET /api/me` lists your workspaces.") from error
