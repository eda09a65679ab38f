"""Authenticate callers by `Authorization: Bearer …`, a JWT or an API key.

The header `X-Workspace` selects one of the caller's workspaces; the default is the one that the caller joined first.
"""

import uuid

import flask

from headwater.auth import api_keys, callers
from headwater.auth.callers import KEY_PREFIX, Caller
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

    def check(self, request: flask.Request, *, any_scope: bool) -> Caller:
        """Return the caller; `any_scope` accepts API keys for other functions.

        Raises Unauthorized, Forbidden, or UpstreamError if the issuer's keys are unavailable.
        """
        token = read_token(request)
        workspace_id = _selected_workspace(request)
        if token.startswith(api_keys.PREFIX):
            return self._check_key(token, workspace_id, any_scope)
        return self._check_identity(self.tokens.verify(token), workspace_id)

    def _check_key(self, text: str, workspace_id: uuid.UUID | None, any_scope: bool) -> Caller:
        key = None
        if api_keys.is_well_formed(text):
            with self.database.transaction(ALL_WORKSPACES) as tx:
                key = callers.find_key(tx, api_keys.hash_key(text))
        if key is None:
            raise Unauthorized("This isn't a valid API key. Copy the whole key and try again.")
        if key.state != "usable":
            raise Unauthorized(f"The API key is {key.state}. Ask an owner of its workspace for a new one.")
        if workspace_id not in (None, key.workspace_id):
            raise Forbidden("The API key belongs to another workspace than X-Workspace. Omit that header.")
        if key.scopes and self.service not in key.scopes and not any_scope:
            allowed = ", ".join(key.scopes)
            raise Forbidden(f"The API key is limited to {allowed}. Use a key with the scope {self.service}.")
        return Caller(key.workspace_id, f"{KEY_PREFIX}{key.id}", key.role, key.scopes)

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
            caller = callers.sign_up(self.database, self.settings.auth_issuer, identity.subject, identity.name)
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


def _selected_workspace(request: flask.Request) -> uuid.UUID | None:
    selected = request.headers.get("X-Workspace")
    try:
        return uuid.UUID(selected) if selected else None
    except ValueError as error:
        raise BadRequest("X-Workspace must be a workspace's id. `GET /api/me` lists your workspaces.") from error
