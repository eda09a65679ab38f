"""Collect a bucket of another S3 server than the tests' own: list, read, change and delete objects with odd names.

    moto_server -p 5000                      # pip install 'moto[server]'
    python -m bench.foreign_buckets http://127.0.0.1:5000

Any server that creates buckets works, such as moto, s3rver (npm) or MinIO. Writes objects with obstore, another
implementation of the protocol, and reads them with the connector. Exits with 1 if what is read differs.
"""

import argparse
import datetime as dt
import tempfile
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from obstore.store import S3Store

from functions.collection.connectors.bucket.signature import AccessKey, path_of, sign
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import Listing

ODD = (
    "a b/ü+&=#?.md",
    "percent %41.md",
    "quote'\".md",
    "日本/語.md",
    "plus+plus.md",
    "emoji 🎉.md",
    "a/b/c/d.md",
    "(x)!*~.md",
)


def main() -> None:
    """Collect a new bucket three times and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("--token", default="S3RVER:S3RVER", help="the access key, as ID:SECRET (default: %(default)s)")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--objects", type=int, default=2_500)
    options = parser.parse_args()
    name = f"headwater-{uuid.uuid4().hex[:8]}"
    identifier, _, secret = options.token.partition(":")
    url, key = f"{options.endpoint}{path_of(f'/{name}')}", AccessKey(identifier, secret)
    send("PUT", url, key, options.region)
    credentials: dict[str, Any] = {"access_key_id": key.id, "secret_access_key": key.secret, "region": options.region}
    store = S3Store(name, endpoint=options.endpoint, client_options={"allow_http": True}, **credentials)
    contents = {one: f"# {one}".encode() for one in ODD}
    contents |= {f"docs/{n:05}.md": f"# Page {n}".encode() for n in range(options.objects - len(ODD))}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: store.put(one, contents[one]), contents))
    store.put("docs/photo.jpg", b"\xff\xd8")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url="unused", blob_url=(Path(folder) / "blobs").as_uri(), fetch_private=True)
        config = {"url": url, "region": options.region}
        source = SourceOpener(settings).open(Credentials(uuid.uuid4(), "bucket", config, options.token, None))
        source.check()
        listing, seconds = listed(source)
        print(f"{len(listing.entries):,} listed in {seconds:.1f} s, left out: {listing.unmatched}")
        began = time.monotonic()
        found = {file.key: file.content for file in source.fetch(listing.snapshot, listing.entries)}
        print(f"{len(found):,} fetched in {time.monotonic() - began:.1f} s")
        expect(found, contents)
        store.put(ODD[0], b"# Changed")
        send("DELETE", options.endpoint + path_of(f"/{name}", ODD[1]), key, options.region)
        again, seconds = listed(source)
        before, after = ({one.key: one.fingerprint for one in each.entries} for each in (listing, again))
        expect({one for one in after if after[one] != before[one]}, {ODD[0]})
        expect(before.keys() - after.keys(), {ODD[1]})
        print(f"listed again in {seconds:.1f} s: one object changed, one deleted")


def send(method: str, url: str, key: AccessKey, region: str) -> None:
    """Send a signed request without a body: obstore makes no buckets, and its way to delete is rare."""
    headers = sign(url, key, region=region, now=dt.datetime.now(dt.UTC), method=method)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method)):
        pass


def listed(source: Any) -> tuple[Listing, float]:
    """List to the end. Returns the listing and its seconds."""
    began = time.monotonic()
    listing: Listing = source.list(None, frozenset())
    while listing.resume:
        listing = source.list(listing.resume, frozenset())
    return listing, time.monotonic() - began


def expect(found: Any, expected: Any) -> None:
    """Exit with 1 if the values differ."""
    if found != expected:
        raise SystemExit(f"differs: {str(found)[:500]} instead of {str(expected)[:500]}")


if __name__ == "__main__":
    main()
