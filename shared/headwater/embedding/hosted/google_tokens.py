"""Access tokens for Vertex AI: of a service account's key, of Cloud Run's identity, or of `gcloud` on a laptop."""

import json
import threading
from functools import cache
from typing import Any

from headwater.config import Settings
from headwater.errors import SystemicError, UpstreamError
from headwater.outbound.deadline import within

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_lock = threading.Lock()


def access_token(settings: Settings) -> str:
    """Return a valid access token. Raises SystemicError without credentials, UpstreamError if none can be had now."""
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

    with _lock:  # one request for a token at a time
        try:
            with within(settings.embedding_timeout_s):
                credentials, request = _credentials(settings.vertexai_service_account)
                if not credentials.valid:
                    credentials.refresh(request)
        except TransportError as error:
            raise UpstreamError(f"Can't get an access token for Vertex AI ({type(error).__name__}).") from None
        except RefreshError as error:
            if error.retryable:
                raise UpstreamError("Google's token server is unavailable.") from None
            raise SystemicError("Google rejects the service account for Vertex AI. Check its key and roles.") from None
        except (GoogleAuthError, ValueError):
            raise SystemicError(
                "There are no valid credentials for Vertex AI. Set VERTEXAI_SERVICE_ACCOUNT to the key of a service "
                "account, or run on Cloud Run with one."
            ) from None
        return str(credentials.token)


@cache
def _credentials(service_account: str) -> tuple[Any, Any]:
    """Return credentials and what requests tokens for them. Raises ValueError or GoogleAuthError."""
    import google.auth
    from google.auth.transport.urllib3 import Request
    from google.oauth2.service_account import Credentials
    from urllib3 import PoolManager

    from headwater.outbound.google_session import limit_pools

    request: Any = Request(limit_pools(PoolManager(retries=False)))  # type: ignore[no-untyped-call]
    if service_account:
        key = json.loads(service_account)
        own: Any = Credentials.from_service_account_info(key, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
        return own, request
    credentials, _ = google.auth.default(scopes=[_SCOPE], request=request)
    return credentials, request
