"""Translate HTTP statuses and exceptions of a Git server into errors that say what to do.

Messages contain the URL; `config` has refused URLs with a password.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3.exceptions as http
from dulwich.errors import GitProtocolError, HangupException
from urllib3 import BaseHTTPResponse

from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded
from headwater.outbound.http_errors import translate_http_error
from headwater.redaction import quote
from headwater.retry_after import read_pause

_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
_NOT_AVAILABLE = ("not our ref", "not valid", "unadvertised object")  # servers' answers for objects they don't send


class TransferTooLarge(PermanentError):
    """The server sent more than the limit; the transfer was aborted."""


class ObjectNotAvailable(PermanentError):
    """The server doesn't have a requested object, or doesn't send it."""


def check_response(response: BaseHTTPResponse, url: str, *, has_token: bool, is_first: bool) -> None:
    """Raise the error that an HTTP status stands for. The first response also shows whether this is a Git server."""
    status, headers = response.status, response.headers
    retry_after_s = read_pause(headers)
    if status == 429 or status >= 500 or (status == 403 and retry_after_s is not None):
        raise UpstreamError(f"{url} answered with HTTP {status}. Try again later.", retry_after_s)
    if status in (401, 403):
        reason = (
            "the token is wrong or expired, or has no permission to read it"
            if has_token
            else "it is private and needs an access token"
        )
        raise SystemicError(
            f"{url} cannot be read (HTTP {status}): {reason}. Enter a token with permission to read the repository."
        )
    if status in (404, 410):
        advice = (
            "Check the URL and the token's permissions."
            if has_token
            else "Check the URL. If the repository is private, enter an access token."
        )
        raise SystemicError(f"There is no Git repository at {url} (HTTP {status}). {advice}")
    if status != 200:
        raise SystemicError(f"{url} answered with HTTP {status}, which a Git server does not use. Check the URL.")
    if is_first and headers.get("Content-Type", "").partition(";")[0].strip() != _ADVERTISEMENT:
        raise SystemicError(f"{url} is not a Git repository. Enter the address that `git clone` takes.")


@contextmanager
def translate_errors(url: str, host: str) -> Iterator[None]:
    """Turn errors of urllib3 and dulwich into errors that say what to do.

    Theirs are not logged: they quote the server at length.
    """
    try:
        yield
    except (http.HTTPError, DeadlineExceeded) as error:
        raise translate_http_error(error, url, host) from None
    except HangupException:
        raise UpstreamError(f"{host} ended the transfer early. Try again later.") from None
    except GitProtocolError as error:
        if any(phrase in str(error) for phrase in _NOT_AVAILABLE):
            message = f"{host} no longer has a file of this commit ({quote(error)}). Collect again."
            raise ObjectNotAvailable(message) from None
        raise UpstreamError(f"{host} sent an unexpected answer ({quote(error)}). Try again later.") from None
    except (ValueError, LookupError, TypeError, AssertionError) as error:  # raised by dulwich's parsers
        message = f"{host} sent data that is not Git's protocol ({quote(error)}). Try again later."
        raise UpstreamError(message) from None
