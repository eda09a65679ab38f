"""Translate errors of IMAP connections into errors that say what to do."""

import imaplib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from imapclient.exceptions import CapabilityError, ProtocolError

from functions.collection.connectors.mail.config import MailConfig
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s, is_not_wanted
from headwater.redaction import quote

BUSY_S = 60.0
"""Pause after a server has said that it is asked too much. IMAP has no `Retry-After`."""
_BUSY = re.compile(
    r"\[(?:UNAVAILABLE|INUSE|LIMIT|OVERQUOTA|THROTTLED)\]|too many|rate limit|bandwidth|try again", re.IGNORECASE
)
_NOT_IMAP = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, RecursionError)
"""What imaplib and IMAPClient raise for answers that aren't IMAP."""


class UnreadableAnswer(UpstreamError):
    """The answer to a command was read to its end, and is not IMAP."""


class RefusedCommand(UpstreamError):
    """The server answered a command with `NO` or `BAD`, and not because it is asked too much."""


class ConnectionEnded(UpstreamError):
    """The connection ended in the middle of a command. Some servers end it at a message that they can't open."""


class AnswerTooLarge(PermanentError):
    """The answer is larger than the command may have. It wasn't read to its end, so the connection can't be used."""


def busy_pause_s(error: Exception) -> float | None:
    """Return the pause after a refusal that says that the server is asked too much; None for another one."""
    return BUSY_S if _BUSY.search(str(error)) else None


@contextmanager
def translated_errors(server: MailConfig) -> Iterator[None]:
    """Raise errors of the connection as errors that say what to do."""
    try:
        yield
    except HeadwaterError:
        raise
    except Exception as error:
        if is_not_wanted(error):
            raise
        raise _lasting(error, server.host) or _passing(error, server.host, server.server_port) or error from error


def _lasting(error: Exception, host: str) -> SystemicError | None:
    """Return the error for one that a later attempt would have too."""
    match error:
        case ssl.SSLCertVerificationError():
            reason = quote(error.verify_message)
            return SystemicError(f"The TLS certificate of {host} is not valid ({reason}). Renew it on the server.")
        case CapabilityError():
            return SystemicError(f"{host} doesn't support STARTTLS. Set security to tls.")
    return None


def _passing(error: Exception, host: str, port: int) -> UpstreamError | None:
    limit_s = exceeded_limit_s(error)
    match error:
        case _ if limit_s is not None:
            message = f"{host} did not finish its answer in {limit_s:g} s. Try again later."
        case socket.gaierror() | UnicodeEncodeError():
            message = f"The host {host} was not found. Check the server's name, or try again later."
        case ssl.SSLError():
            message = f"The TLS connection to {host} failed ({quote(error)}). Check security and port."
        case TimeoutError():
            message = f"{host} did not answer on port {port} in time. Check the port, or try again later."
        case ProtocolError():
            return UnreadableAnswer(f"The answer of {host} is not valid IMAP. Try again later.")
        case imaplib.IMAP4.abort():
            return ConnectionEnded(f"{host} ended the connection ({quote(error)}). Try again later.")
        case imaplib.IMAP4.error():
            pause_s = busy_pause_s(error)
            kind = UpstreamError if pause_s else RefusedCommand
            return kind(f"{host} refuses a command ({quote(error)}). Try again later.", pause_s)
        case OSError():
            message = f"{host} cannot be reached on port {port} ({quote(error)}). Check the server's name and port."
        case _ if isinstance(error, _NOT_IMAP):
            return UnreadableAnswer(f"The answer of {host} is not valid IMAP. Try again later.")
        case _:
            return None
    return UpstreamError(message)
