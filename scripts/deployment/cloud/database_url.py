"""Check a database's URL before it is stored: its syntax, its host, and that the database accepts it.

Cloud Run connects over IPv4 only, and hosting providers' URLs often need a change: a password with reserved characters,
a parameter of another driver, a root certificate.
"""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from scripts import setup
from scripts.deployment.cloud import programs

_WELL_FORMED = re.compile(
    r"[^:/?#]+://([^:@/?#\[\]]*(:[^@/?#\[\]]*)?@)?([^@/?#\[\]]*|\[[^\]]*\](:\d+)?)(/[^?#]*)?(\?[^#]*)?"
)
_RESERVED = re.compile(r"[@#/?\[\]]")


def syntax_problem(url: str) -> str:
    """Return what is wrong with a URL's syntax, '' if nothing.

    The message names reserved characters of the password, but no other part of it.
    """
    if _WELL_FORMED.fullmatch(url):
        return ""
    credentials = url.partition("://")[2].rpartition("@")[0]
    if reserved := sorted(set(_RESERVED.findall(credentials.partition(":")[2]))):
        escapes = " and ".join(f"`{character}` as `{quote(character, safe='')}`" for character in reserved)
        return f"the password contains reserved characters; write {escapes}"
    return "not a valid URL"


def host_problem(url: str, resolve: Callable[[str, None], Sequence[tuple[Any, ...]]] = socket.getaddrinfo) -> str:
    """Return why Cloud Run can't reach the URL's host, '' if it may."""
    host = urlsplit(url).hostname or ""
    try:
        families = {family for family, *_ in resolve(host, None)}
    except (socket.gaierror, UnicodeError) as error:
        return f"the host {host} can't be resolved ({error})"
    if socket.AF_INET not in families:
        return (
            f"the host {host} has IPv6 addresses only, and Cloud Run connects over IPv4. At Supabase, use the host of "
            "the session pooler (Connect, Session pooler)"
        )
    return ""


def certificate_problem(url: str, root_certificate: str = "") -> str:
    """Return why the server's certificate can't be verified, as far as the URL shows, '' if it may.

    Supabase's certificates are signed by an authority of its own.
    """
    parts = urlsplit(url)
    chosen = {name for name, _ in parse_qsl(parts.query)} & {"sslmode", "sslrootcert"}
    if root_certificate or chosen or not (parts.hostname or "").endswith((".supabase.com", ".supabase.co")):
        return ""
    return (
        "Supabase's root certificate is missing. Download it (SSL Configuration on "
        "https://supabase.com/dashboard/project/_/database/settings), save it next to deploy.toml, and add "
        'DATABASE_ROOT_CERTIFICATE = "supabase-ca.crt" to [settings]'
    )


def connection_problem(url: str, root_certificate: str = "") -> str:
    """Connect as the database's owner and run `select 1`. Returns what failed, '' if nothing.

    The driver is in the checkout's environment, which is set up if necessary; the caller's Python may lack it.
    """
    if problem := certificate_problem(url, root_certificate) or host_problem(url):
        return problem
    done = subprocess.run([sys.executable, str(setup.ROOT / "scripts" / "setup.py"), "project"], check=False)
    if done.returncode:
        return "it can't be tried, since the set-up above failed"
    tried = subprocess.run(
        [str(setup.PYTHON), "-m", "scripts.deployment.cloud.try_database"],
        input=json.dumps({"url": url, "root_certificate": root_certificate}),
        cwd=setup.ROOT,
        env=programs.environment("python3"),
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode == 0:
        return ""
    return tried.stdout.strip() or f"it can't be tried: {tried.stderr.strip().rpartition(chr(10))[2]}"
