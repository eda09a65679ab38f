"""Connect Google's client libraries to Google, or to localcloud if an endpoint is set."""

from typing import Any, TypeVar

from headwater.config import Settings

C = TypeVar("C")


def with_deadlines(client: C) -> C:
    """Make a client keep the applied deadline, also when it requests a token. Returns the client."""
    from headwater.outbound.google_session import limit_session

    limit_session(client.transport._session)  # type: ignore[attr-defined]
    return client


def connection(settings: Settings, endpoint: str) -> dict[str, Any]:
    """Return the arguments of a client: REST, and for an `endpoint` LOCAL_TOKEN in place of Google's credentials."""
    if not endpoint:
        return {"transport": "rest"}
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2.credentials import Credentials

    token = settings.local_token
    return {
        "transport": "rest",
        "credentials": Credentials(token) if token else AnonymousCredentials(),  # type: ignore[no-untyped-call]
        "client_options": ClientOptions(api_endpoint=endpoint),
    }
