"""Whether Cloud Run can reach a database's host and verify its certificate."""

import socket
from typing import Any

import pytest

from scripts.deployment.cloud.database_url import certificate_problem, connection_problem, host_problem

V4, V6 = (socket.AF_INET, "203.0.113.1"), (socket.AF_INET6, "2001:db8::1")


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [([V4], ""), ([V6, V4], ""), ([V6], "IPv6 addresses only"), ([], "can't be resolved")],
    ids=["IPv4", "both", "IPv6", "none"],
)
def test_host_needs_an_ipv4_address(addresses: list[tuple[Any, ...]], problem: str) -> None:
    def resolve(host: str, port: None) -> list[tuple[Any, ...]]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses

    found = host_problem("postgresql://postgres:pw@db.example.com/postgres", resolve)
    assert problem in found
    assert (found == "") is (problem == "")


@pytest.mark.parametrize(
    ("url", "root", "is_missing"),
    [
        ("postgresql://postgres.r:pw@aws-0-eu.pooler.supabase.com:5432/postgres", "", True),
        ("postgresql://postgres:pw@db.r.supabase.co:5432/postgres", "", True),
        ("postgresql://postgres.r:pw@aws-0-eu.pooler.supabase.com:5432/postgres", "PEM", False),
        ("postgresql://postgres.r:pw@aws-0-eu.pooler.supabase.com/postgres?sslmode=require", "", False),
        ("postgresql://postgres.r:pw@aws-0-eu.pooler.supabase.com/postgres?sslrootcert=/ca.crt", "", False),
        ("postgresql://owner:pw@db.example.com/hw", "", False),
        ("postgresql://owner:pw@supabase.com.example.org/hw", "", False),
    ],
)
def test_supabase_needs_its_root_certificate(url: str, root: str, *, is_missing: bool) -> None:
    problem = certificate_problem(url, root)
    assert ("DATABASE_ROOT_CERTIFICATE" in problem) is is_missing
    assert (problem == "") is not is_missing
    if is_missing:
        assert connection_problem(url, root) == problem
