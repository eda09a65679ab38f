"""Sign requests to S3 and compatible services with AWS Signature Version 4. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_EMPTY = hashlib.sha256().hexdigest()


class AccessKey(NamedTuple):
    """The two parts of an access key."""

    id: str
    secret: str


def path_of(bucket_path: str, key: str = "") -> str:
    """Return the path of a bucket or of an object in it, percent-encoded as the signature needs it.

    >>> path_of("/docs", "a b/ü.md")
    '/docs/a%20b/%C3%BC.md'
    """
    return quote(f"{bucket_path}/{key}" if key else bucket_path, safe="/-_.~")


def query_of(parameters: Mapping[str, str]) -> str:
    """Return a query in the signature's form: sorted, with spaces as %20."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(
    url: str, key: AccessKey, *, region: str, now: dt.datetime, method: str = "GET", headers: Mapping[str, str] = {}
) -> dict[str, str]:
    """Return the headers of a request without a body: those given, and the signature's.

    `url` has been built with `path_of` and `query_of`. `headers` are in lower case.
    """
    parts = urlsplit(url)
    time = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": time, **headers}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    request = f"{method}\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{_EMPTY}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing_key = f"AWS4{key.secret}".encode()
    for part in (*scope.split("/"), text):
        signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()
    credential = f"Credential={key.id}/{scope},SignedHeaders={names},Signature={signing_key.hex()}"
    del signed["host"]  # the client sends it
    return {**signed, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
