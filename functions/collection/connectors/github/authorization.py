"""Authorize requests to GitHub: with a token, or as an installation of a GitHub App.

An App signs a JSON Web Token with its private key and gets a token of its installation for an hour (GitHub,
"Authenticating as a GitHub App installation").
"""

import re
import textwrap
import time
from typing import TYPE_CHECKING

import msgspec

from functions.collection.connectors.api_client import ApiClient, ApiService, advise
from functions.collection.connectors.github.config import GitHubConfig
from headwater.errors import SystemicError

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

DELAY_S = 0.1
"""Between two requests. GitHub allows 900 a minute (GitHub, "Rate limits for the REST API")."""
LIMIT_PAUSE_S = 60.0
"""Pause after a refusal for too many requests that names no time, as GitHub asks for."""
JWT_S = 540
"""Life of the App's own token; GitHub accepts ten minutes."""
_CLOCK_DRIFT_S = 60
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# A form's field of one line joins the lines of the key.
_APP = re.compile(r"\s*([\w.-]{1,100})\s*:\s*-----BEGIN ([A-Z ]{1,40})-----([^-]*)-----END \2-----\s*")


class _Installation(msgspec.Struct):
    id: int


class _Token(msgspec.Struct):
    token: str


def open_api(http: "GuardedHttp", config: GitHubConfig, secret: str | None) -> ApiClient:
    """Return a client of the API with the authorization that a source's secret gives.

    Raises SystemicError for a private key that can't be read, and for an App that isn't installed at the owner's.
    """
    secret = (secret or "").strip()
    if "-----BEGIN" in secret:
        secret = _installation_token(http, config, secret)
    return _client(http, config, secret)


def _client(http: "GuardedHttp", config: GitHubConfig, token: str) -> ApiClient:
    headers = {**_HEADERS, "Authorization": f"Bearer {token}"} if token else _HEADERS
    service = ApiService("GitHub", DELAY_S, advise, limit_pause_s=LIMIT_PAUSE_S)
    return ApiClient(http, config.api, service, headers)


def _installation_token(http: "GuardedHttp", config: GitHubConfig, secret: str) -> str:
    app = _client(http, config, _sign(secret))
    target = config.target
    places = [f"/repos/{target.path}"] if target.name else [f"/orgs/{target.owner}", f"/users/{target.owner}"]
    for place in places:
        answer = app.get(f"{place}/installation")
        if not answer.is_missing:
            installation = answer.read(_Installation).id
            return app.post(f"/app/installations/{installation}/access_tokens").read(_Token).token
    raise SystemicError(f"The GitHub App isn't installed for {target.path}. Install it there, with permission to read.")


def _sign(secret: str) -> str:
    """Return the App's own token: a JWT with RS256."""
    import jwt

    app = _APP.fullmatch(secret)
    try:
        if app is None:
            raise ValueError("it has another form")
        lines = textwrap.wrap(re.sub(r"\\n|\s", "", app[3]), 64)
        key = "\n".join([f"-----BEGIN {app[2]}-----", *lines, f"-----END {app[2]}-----", ""])
        now = int(time.time())
        claims = {"iat": now - _CLOCK_DRIFT_S, "exp": now + JWT_S, "iss": app[1]}
        return jwt.encode(claims, key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise SystemicError(
            "The App's key can't be read. Enter the App's id, a colon, and the whole content of the .pem file that "
            "GitHub made for the App."
        ) from error
