"""`Authorization: Bearer …`: a request flows in, the `Caller` that its JWT or API key stands for flows out.

Who is in several workspaces chooses one by the header `X-Workspace`; without it, it is the one they are in longest.
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
    """Check callers of the function `service` against the settings and the database."""

    def __init__(self, settings: Settings, database: Database, service: str) -> None:
        self.settings = settings
        self.database = database
        self.service = service
        self.tokens = UserTokens(settings)

    def check(self, request: flask.Request, *, any_scope: bool) -> Caller:
        """Return who calls; `any_scope` lets API keys in that are for other functions.

        Raises Unauthorized, Forbidden, or UpstreamError when it can't be told now.
        """
        token = read_token(request)
        workspace_id = _chosen_workspace(request)
        if token.startswith(api_keys.PREFIX):
            return self._check_key(token, workspace_id, any_scope)
        return self._check_identity(self.tokens.verify(token), workspace_id)

    def _check_key(self, text: str, workspace_id: uuid.UUID | None, any_scope: bool) -> Caller:
        key = None
        if api_keys.is_well_formed(text):
            with self.database.transaction(ALL_WORKSPACES) as tx:
                key = callers.find_key(tx, api_keys.hash_key(text))
        if key is None:
            raise Unauthorized("No such API key exists. Was it copied whole?")
        if key.state != "usable":
            raise Unauthorized(f"The API key is {key.state}. An owner of its workspace can make another.")
        if workspace_id not in (None, key.workspace_id):
            raise Forbidden("The API key is of another workspace than X-Workspace names. Leave that header out.")
        if key.scopes and self.service not in key.scopes and not any_scope:
            allowed = ", ".join(key.scopes)
            raise Forbidden(f"This needs an API key for {self.service}; this one is for {allowed} only.")
        return Caller(key.workspace_id, f"{KEY_PREFIX}{key.id}", key.role, key.scopes)

    def _check_identity(self, identity: Identity, workspace_id: uuid.UUID | None) -> Caller:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            caller = callers.find_member(tx, identity.subject, workspace_id)
        if caller is not None:
            return caller
        if workspace_id is not None:
            raise Forbidden(f"You aren't a member of workspace {workspace_id}. `GET /api/me` lists yours.")
        if self.settings.sign_up == "open":
            caller = callers.sign_up(self.database, self.settings.auth_issuer, identity.subject, identity.name)
        if caller is None:
            raise Forbidden(
                "You aren't a member of any workspace here. Ask an owner of one to add you (`POST /api/members`) with "
                f"your subject, {identity.subject!r}."
            )
        return caller


def read_token(request: flask.Request) -> str:
    """Read the token of a request; raises Unauthorized when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(
            "Sign in: send `Authorization: Bearer …` with a token of your identity provider or an API key."
        )
    return token.strip()


def _chosen_workspace(request: flask.Request) -> uuid.UUID | None:
    chosen = request.headers.get("X-Workspace")
    try:
        return uuid.UUID(chosen) if chosen else None
    except ValueError as error:
        raise BadRequest("X-Workspace must be the id of a workspace; `GET /api/me` lists yours.") from error
