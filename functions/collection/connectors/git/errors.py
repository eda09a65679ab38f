"""What goes wrong with a Git server, in words: answers and exceptions flow in, errors that say what to do flow out.

Called by `git_http`. No message holds a token: URLs with one are refused before (`git_config`).
"""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import urllib3.exceptions as http
from dulwich.errors import GitProtocolError, HangupException
from urllib3 import BaseHTTPResponse

from headwater.errors import PermanentError, SystemicError, UpstreamError

_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
_NOT_THERE = ("not our ref", "not valid", "unadvertised object")  # what servers say of an object they don't give out


class TransferTooLarge(PermanentError):
    """The server sends more than was allowed; the transfer was aborted."""


class NotThere(PermanentError):
    """The server doesn't have, or doesn't give out, an object that was asked for."""


def check_answer(response: BaseHTTPResponse, url: str, *, has_token: bool, probing: bool) -> None:
    """Raise what an HTTP status means; when `probing`, also that what answers isn't a Git server."""
    status, headers = response.status, response.headers
    retry_after_s = read_retry_after(headers.get("Retry-After"))
    if status == 429 or status >= 500 or (status == 403 and retry_after_s is not None):
        raise UpstreamError(f"{url} answered HTTP {status}; try again later.", retry_after_s)
    if status in (401, 403):
        lack = "its token is wrong, expired or may not read it" if has_token else "it is private and needs a token"
        raise SystemicError(f"{url} can't be read (HTTP {status}): {lack}. Give a token that may read the repository.")
    if status in (404, 410):
        hint = "and that the token may read it" if has_token else "or, if it is private, give a token"
        raise SystemicError(f"There is no Git repository at {url} (HTTP {status}); check the URL {hint}.")
    if status != 200:
        raise SystemicError(f"{url} answered HTTP {status}, which Git can't work with; check the URL.")
    if probing and headers.get("Content-Type", "").partition(";")[0].strip() != _ADVERTISEMENT:
        raise SystemicError(f"{url} is there but isn't a Git repository; give the address that `git clone` takes.")


def read_retry_after(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3); None when there is none or it makes no sense."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


@contextmanager
def explained(url: str, host: str) -> Iterator[None]:
    """Turn what urllib3 and dulwich raise into errors that say what to do."""
    try:
        yield
    except http.HTTPError as error:
        raise _explain(error, url, host) from error
    except HangupException as error:
        raise UpstreamError(f"{host} ended the transfer early; try again later.") from error
    except GitProtocolError as error:
        said = str(error)[:200]
        if any(phrase in said for phrase in _NOT_THERE):
            raise NotThere(f"{host} no longer has what was asked for ({said}); collect again.") from error
        raise UpstreamError(f"{host} and we don't understand each other ({said}); try again later.") from error
    except (ValueError, LookupError, TypeError, AssertionError) as error:  # how dulwich's parsers complain
        raise UpstreamError(f"{host} sent what isn't Git's protocol ({error}); try again later.") from error


def _explain(error: http.HTTPError, url: str, host: str) -> UpstreamError | PermanentError:
    cause = error.reason if isinstance(error, http.MaxRetryError) and error.reason else error
    why = str(cause).rpartition(": ")[2][:200]  # urllib3 puts the connection's own name first
    match cause:
        case http.NameResolutionError():
            explanation = f"The host {host} was not found; check the URL, or try again later."
        case http.TimeoutError() if not isinstance(cause, http.NewConnectionError):  # which is one, to urllib3
            explanation = f"{host} did not answer in time; try again later."
        case http.ResponseError():
            return SystemicError(f"{url} redirects too often; check the URL.")
        case http.LocationValueError():
            return SystemicError(f"{url} leads to an address that can't be used ({why}); check the URL.")
        case http.SSLError() if any(isinstance(part, ssl.SSLCertVerificationError) for part in cause.args):
            return SystemicError(f"The TLS certificate of {host} can't be trusted ({why}); mend it there.")
        case http.SSLError():
            explanation = f"No TLS connection to {host} ({why}); check that it speaks https."
        case _:
            explanation = f"{host} can't be reached ({why}); check the URL, or try again later."
    return UpstreamError(explanation)
