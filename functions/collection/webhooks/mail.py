"""Read the mail that a provider delivers: the message itself, or in a form or JSON. Pure.

Postmark sends JSON with the message in `RawEmail`; SendGrid a form with `email`, Mailgun one with `body-mime`. All
three do so only if they are set to send the whole message.
"""

import io
import re
import unicodedata
from datetime import UTC, datetime

import msgspec

from functions.collection.connectors.mail.messages import read_headers
from headwater.errors import UnprocessableContent

MAX_HEADER_BYTES = 64_000
_FORM_FIELDS = ("email", "body-mime")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_HEADER = re.compile(rb"\s{0,20}(?:From [^\n]{1,200}\n)?[A-Za-z][\w-]{0,60}:")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_ADVICE = "Set the provider to send the whole message (raw MIME)."


class _PostmarkDelivery(msgspec.Struct, frozen=True):
    raw_email: str = msgspec.field(name="RawEmail", default="")


def read_message(body: bytes, content_type: str) -> bytes:
    """Return the message in a delivery (RFC 5322). Raises UnprocessableContent if there is none."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in FORMS:
        content = _read_form(body, content_type)
    elif media_type == "application/json":
        try:
            content = msgspec.json.decode(body, type=_PostmarkDelivery).raw_email.encode(errors="surrogatepass")
        except (msgspec.DecodeError, RecursionError) as error:
            raise UnprocessableContent(f"The delivery has no message in the field RawEmail. {_ADVICE}") from error
    else:
        content = body
    if not _HEADER.match(content[:500]):
        raise UnprocessableContent(f"The delivery has no message. {_ADVICE}")
    return content.lstrip()


def file_path(message: bytes) -> str:
    """Return where a message is stored: the same for each delivery of it, by its `Message-ID`."""
    end = _HEADER_END.search(message[:MAX_HEADER_BYTES])
    header = message[: end.start() if end else MAX_HEADER_BYTES]
    message_id, read = read_headers(header, 0, 0)
    plain = unicodedata.normalize("NFKC", read.base_subject).lower()
    slug = re.sub(r"[^\w]+", "-", plain).strip("-_")[:60].rstrip("-_") or "no-subject"
    return f"mail/{datetime.fromtimestamp(read.date, UTC):%Y/%m}/{slug}-{message_id.hex()[:16]}.eml"


def _read_form(body: bytes, content_type: str) -> bytes:
    from werkzeug.exceptions import HTTPException
    from werkzeug.formparser import FormDataParser
    from werkzeug.http import parse_options_header

    media_type, options = parse_options_header(content_type)
    parser = FormDataParser(max_form_memory_size=len(body) + 1, max_form_parts=200, silent=False)
    try:
        _, form, files = parser.parse(io.BytesIO(body), media_type, len(body), options)
    except (ValueError, HTTPException) as error:
        raise UnprocessableContent("The delivery's form can't be read.") from error
    for name in _FORM_FIELDS:
        if name in form:
            return str(form[name]).encode(errors="replace")
        if name in files:
            return bytes(files[name].read())
    raise UnprocessableContent(f"The delivery's form has no field `email` or `body-mime`. {_ADVICE}")
