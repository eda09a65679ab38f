"""Translate HTTP statuses and exceptions of a Git server into errors that say what to do.

Messages contain the URL; `config` has refused URLs with a password.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3.exceptions as http
from dulwich.errors import GitProtocolError, HangupException
from urllib3 import BaseHTTPResponse

from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, exceeded_limit_s
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
        raise _translate(error, url, host) from None
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


def _translate(error: Exception, url: str, host: str) -> UpstreamError | PermanentError:
    if limit_s := exceeded_limit_s(error):
        return UpstreamError(f"{host} did not finish its answer in {limit_s:g} s. Try again later.")
    cause = error.reason if isinstance(error, http.MaxRetryError) and error.reason else error
    reason = quote(str(cause).rpartition(": ")[2]).rstrip("')")  # urllib3 puts the connection's name first
    match cause:
        case http.NameResolutionError():
            message = f"The host {host} was not found. Check the URL, or try again later."
        case http.TimeoutError() if not isinstance(cause, http.NewConnectionError):  # a subclass in urllib3
            message = f"{host} did not answer in time. Try again later."
        case http.ResponseError():
            return SystemicError(f"{url} redirects too often. Check the URL.")
        case http.LocationValueError():
            return SystemicError(f"{url} is an invalid address, or redirects to one. Check the URL.")
        case http.ProtocolError():
            message = (
                f"{host} ended the connection, or its answer is not HTTP ({quote(cause.args[-1])}). Try again later."
            )
        case http.SSLError() if any(isinstance(part, ssl.SSLCertVerificationError) for part in cause.args):
            return SystemicError(f"The TLS certificate of {host} is not valid ({reason}). Renew it on the server.")
        case http.SSLError():
            message = f"The TLS connection to {host} failed ({reason}). Check that the server supports https."
        case _:
            message = f"{host} cannot be reached ({reason}). Check the URL, or try again later."
    return UpstreamError(message)
