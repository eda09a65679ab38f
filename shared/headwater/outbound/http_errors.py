"""Translate errors of the guarded HTTP client into errors that say what to do."""

import ssl

import urllib3.exceptions as http

from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s
from headwater.redaction import quote


def translate_http_error(error: Exception, url: str, host: str) -> UpstreamError | PermanentError:
    """Return the error that an error of urllib3, or DeadlineExceeded, stands for. The message contains the URL."""
    if limit_s := exceeded_limit_s(error):
        return UpstreamError(f"{host} did not finish its answer in {limit_s:g} s. Try again later.")
    cause = error.reason if isinstance(error, http.MaxRetryError) and error.reason else error
    reason = str(cause).rpartition(": ")[2]  # urllib3 puts the connection's name first
    reason = quote(reason).rstrip("')")
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
