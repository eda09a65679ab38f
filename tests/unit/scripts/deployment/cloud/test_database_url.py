"""Whether Cloud Run can reach a database's host."""

import socket
from typing import Any

import pytest

from scripts.deployment.cloud.database_url import host_problem

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
