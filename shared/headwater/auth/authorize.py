"""Who is calling, and may they: a request flows in, a `Caller` flows out, or an error.

`AUTH_MODE=local` trusts this machine: only loopback peers, and only pages that this machine served (Host and Origin are
checked, so that neither DNS rebinding nor a foreign page gets in). `AUTH_MODE=jwt` asks for a token or an API key.
Google's own calls carry an ID token in either mode.
"""

from typing import Literal
from urllib.parse import urlsplit

import flask

from headwater.auth import callers
from headwater.auth.bearer import Bearer
from headwater.auth.callers import LOCAL, Caller, role_covers
from headwater.auth.google_oidc import GoogleOidc
from headwater.config import LOOPBACK_HOSTS, Settings
from headwater.database.transactions import Database
from headwater.errors import Forbidden

Access = Literal["public", "reader", "editor", "owner", "google"]
"""Who may ask: anybody, callers with at least that role, or Google's own services."""


class Auth:
    """Check requests of the function `service` against the settings; opens and loads nothing before the first."""

    def __init__(self, settings: Settings, database: Database, service: str) -> None:
        self.settings = settings
        self.database = database
        self.google = GoogleOidc(settings, service)
        self.bearer = Bearer(settings, database, service)

    def check(self, access: Access, request: flask.Request, *, any_scope: bool = False) -> Caller | None:
        """Return who calls, None for routes with access `public` or `google`.

        Raises Unauthorized when nobody is known to be calling, Forbidden when they may not.
        """
        if access == "public":
            return None
        is_local = self.settings.auth_mode == "local"
        if access == "google":
            if is_local and not self.settings.on_cloud_run:
                self._check_local(request)
            self.google.check(request)
            return None
        caller = self._check_local(request) if is_local else self.bearer.check(request, any_scope=any_scope)
        if not role_covers(caller.role, access):
            raise self._refusal(caller, access)
        return caller

    def _check_local(self, request: flask.Request) -> Caller:
        if request.remote_addr not in {"127.0.0.1", "::1"}:
            raise Forbidden("AUTH_MODE=local serves this machine only.")
        for name in ("Host", "X-Forwarded-Host"):
            if (host := request.headers.get(name)) and _hostname(f"//{host}") not in LOOPBACK_HOSTS:
                raise Forbidden(f"{name} {host!r} isn't this machine; AUTH_MODE=local serves localhost only.")
        origin = request.headers.get("Origin")
        if origin and origin not in self.settings.cors_origins and _hostname(origin) not in LOOPBACK_HOSTS:
            raise Forbidden(f"Pages of {origin} may not call; name it in CORS_ORIGINS if they should.")
        return Caller(self.settings.local_workspace_id, LOCAL, "owner")

    def _refusal(self, caller: Caller, needed: str) -> Forbidden:
        """Say which role is needed, and who can give it."""
        if caller.key_id is not None:
            return Forbidden(
                f"This needs the role {needed}, and this API key's is {caller.role}. An owner of the workspace can "
                "make another (`POST /api/keys`)."
            )
        with self.database.transaction(caller.workspace_id) as tx:
            owners = ", ".join(callers.find_owners(tx, caller.workspace_id))
        return Forbidden(f"This needs the role {needed}, and yours is {caller.role}. An owner can give it: {owners}.")


def _hostname(url: str) -> str | None:
    """Read a URL's host, None when there is none or it can't be read."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
