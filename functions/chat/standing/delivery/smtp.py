"""Send one mail by SMTP, within a time limit for the whole exchange.

`SMTP_URL` names the server: `smtps://USER:PASSWORD@HOST:465`, `smtp+starttls://USER:PASSWORD@HOST:587`, or
`smtp://HOST:25` without TLS. Certificates are verified.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s, within
from headwater.outbound.sockets import LimitedSocket, create_connection, tls_context
from headwater.redaction import quote

if TYPE_CHECKING:
    import ssl
    from smtplib import SMTP

MAIL_S = 60.0
"""Time for handing over one mail."""

_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}


class MailServer(NamedTuple):
    """The server of `SMTP_URL`."""

    scheme: str
    host: str
    port: int
    user: str
    password: str


class MailRefused(PermanentError):
    """The server has refused the mail or its recipient for good."""


class MailDeferred(UpstreamError):
    """The server has refused the mail for now, so it has not arrived."""


def read_server(url: str) -> MailServer:
    """Return the server of a checked `SMTP_URL`."""
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    return MailServer(
        parts.scheme, parts.hostname or "", port, unquote(parts.username or ""), unquote(parts.password or "")
    )


def send_mail(
    server: MailServer,
    sender: str,
    recipient: str,
    content: bytes,
    *,
    before_data: Callable[[], None],
    context: "Callable[[], ssl.SSLContext]" = tls_context,
) -> None:
    """Hand a mail over. `before_data` is called before its content is sent: from then on it may have arrived.

    Raises MailRefused or MailDeferred if the server has refused it, which so has not arrived; PermanentError, or
    UpstreamError for what passes.
    """
    from smtplib import SMTPException

    with within(MAIL_S):
        try:
            client = _connect(server, context)
        except (SMTPException, OSError) as error:
            raise _translate(error, server, "can't be reached") from error
        try:
            _transfer(client, server, (sender, recipient), content, before_data)
        finally:
            with suppress(SMTPException, OSError):
                client.quit()
            client.close()


def _connect(server: MailServer, context: "Callable[[], ssl.SSLContext]") -> "SMTP":
    import smtplib

    class Client(smtplib.SMTP):
        """A client whose sockets keep the time limit."""

        def _get_socket(self, host: str, port: int, timeout: float) -> LimitedSocket:
            sock = create_connection((host, port), timeout)
            if server.scheme != "smtps":
                return sock
            wrapped: LimitedSocket = context().wrap_socket(sock, server_hostname=host)  # type: ignore[assignment]
            return wrapped

    # A name of our own: by default smtplib looks this machine's name up, which may take long.
    client = Client(server.host, server.port, local_hostname="headwater.invalid", timeout=MAIL_S)
    try:
        client.ehlo_or_helo_if_needed()
        if server.scheme == "smtp+starttls":
            client.starttls(context=context())
            client.ehlo()
        if server.user:
            client.login(server.user, server.password)
    except BaseException:
        client.close()
        raise
    return client


def _transfer(
    client: "SMTP", server: MailServer, addresses: tuple[str, str], content: bytes, before_data: Callable[[], None]
) -> None:
    import smtplib

    try:
        _expect(client.mail(addresses[0]), server, "the sender")
        _expect(client.rcpt(addresses[1]), server, "the recipient")
        before_data()
        _expect(client.data(content), server, "the mail")
    except smtplib.SMTPDataError as error:  # the server refuses to begin
        _expect((error.smtp_code, error.smtp_error), server, "the mail")
    except (smtplib.SMTPException, OSError) as error:
        raise _translate(error, server, "ended the connection") from error


def _expect(reply: tuple[int, bytes | str], server: MailServer, what: str) -> None:
    code, text = reply
    if 200 <= code < 300:
        return
    said = quote(text.decode(errors="replace") if isinstance(text, bytes) else text, 200)
    message = f"The mail server {server.host} refused {what}: {code} {said}."
    if code >= 500:
        raise MailRefused(message)
    raise MailDeferred(message)


def _translate(error: Exception, server: MailServer, what: str) -> UpstreamError | PermanentError:
    import smtplib
    import ssl

    if isinstance(error, smtplib.SMTPAuthenticationError):
        return PermanentError(f"The mail server {server.host} rejected the user or password in SMTP_URL.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentError(f"The TLS certificate of the mail server {server.host} is not valid. Renew it there.")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return PermanentError(f"The mail server {server.host} doesn't support what SMTP_URL asks for: {quote(error)}.")
    if isinstance(error, TimeoutError) or exceeded_limit_s(error):
        return UpstreamError(f"The mail server {server.host} did not answer in time.")
    if isinstance(error, socket.gaierror):
        return UpstreamError(f"The mail server {server.host} was not found. Check SMTP_URL.")
    return UpstreamError(f"The mail server {server.host} {what}: {quote(error, 200)}.")
