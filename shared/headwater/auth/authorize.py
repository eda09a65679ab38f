"""Authenticate a request's caller and check its role.

`AUTH_MODE=local` accepts requests from this machine that send LOCAL_TOKEN, which other users of the machine and web
pages can't read. Host and Origin are checked too, against DNS rebinding and requests by other sites' pages.
`AUTH_MODE=jwt` requires a user's token or an API key. Calls from Google's services carry an ID token in either mode.
"""

import hmac
from typing import Literal
from urllib.parse import urlsplit

import flask

from headwater.auth import callers
from headwater.auth.bearer import Bearer, read_token, selected_workspace
from headwater.auth.callers import LOCAL, Caller, RequiredScope, role_covers
from headwater.auth.google_oidc import GoogleOidc
from headwater.config import LOOPBACK_HOSTS, Settings
from headwater.database.transactions import Database
from headwater.errors import Forbidden, Unauthorized

Access = Literal["public", "signed", "link", "reader", "editor", "owner", "google"]
"""Required access: none, a signature (of a webhook or a preview) or the token of a share link, which the route
verifies, at least that role, or a call from Google's services."""


class Auth:
    """Checks requests to the function `service`. Keys are fetched with the first request."""

    def __init__(self, settings: Settings, database: Database, service: str) -> None:
        self.settings = settings
        self.database = database
        self.google = GoogleOidc(settings, service)
        self.bearer = Bearer(settings, database, service)

    def check(self, access: Access, request: flask.Request, *, scope: RequiredScope = "") -> Caller | None:
        """Return the caller, None for routes with access `public`, `signed`, `link` or `google`.

        Raises Unauthorized if the caller can't be authenticated, Forbidden if its role is too low.
        """
        if access == "public" or access == "signed":  # noqa: PLR1714 - mypy narrows it
            return None
        is_local = self.settings.auth_mode == "local"
        if access == "google" or access == "link":  # noqa: PLR1714 - mypy narrows it
            if is_local:
                self._check_origin(request)
            if access == "google":
                self.google.check(request)
            return None
        caller = self._check_local(request) if is_local else self.bearer.check(request, scope)
        if not role_covers(caller.role, access):
            raise self._refusal(caller, access)
        return caller

    def _check_local(self, request: flask.Request) -> Caller:
        self._check_origin(request)
        advice = "Send the token in the file `token` of the data folder"
        token, expected = read_token(request, advice), self.settings.local_token
        if not expected:
            raise Unauthorized("LOCAL_TOKEN is not set, so AUTH_MODE=local accepts no request. `scripts/dev` sets it.")
        if not hmac.compare_digest(token.encode(), expected.encode()):
            raise Unauthorized(f"The token is not that of this installation. {advice}.")
        own = self.settings.local_workspace_id
        if selected_workspace(request) not in (None, own):
            raise Forbidden(f"AUTH_MODE=local has no other workspace than {own}. Omit the header X-Workspace.")
        return Caller(own, LOCAL, "owner")

    def _check_origin(self, request: flask.Request) -> None:
        """Raise Forbidden unless the request comes from this machine, and from no page of another site."""
        if request.remote_addr not in {"127.0.0.1", "::1"}:
            raise Forbidden("AUTH_MODE=local serves this machine only. Set AUTH_MODE=jwt to serve others.")
        for name in ("Host", "X-Forwarded-Host"):
            if (host := request.headers.get(name)) and _hostname(f"//{host}") not in LOOPBACK_HOSTS:
                raise Forbidden(f"AUTH_MODE=local serves localhost only, but the header {name} is {host!r}.")
        origin = request.headers.get("Origin")
        if origin and origin not in self.settings.cors_origins and _hostname(origin) not in LOOPBACK_HOSTS:
            raise Forbidden(f"Requests from pages of {origin} are not allowed. Add it to CORS_ORIGINS to allow them.")

    def _refusal(self, caller: Caller, needed: str) -> Forbidden:
        """Name the required role and who can grant it."""
        if caller.key_id is not None:
            return Forbidden(
                f"This requires the role {needed}; the API key has the role {caller.role}. An owner of the workspace "
                "can create another key (`POST /api/keys`)."
            )
        with self.database.transaction(caller.workspace_id) as tx:
            owners = ", ".join(callers.find_owners(tx, caller.workspace_id))
        return Forbidden(
            f"This requires the role {needed}; yours is {caller.role}. Ask an owner of the workspace: {owners}."
        )


def _hostname(url: str) -> str | None:
    """Return a URL's host, None if it has none or is invalid."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
