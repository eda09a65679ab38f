"""The owner's URL is tried before `scripts/deploy` stores it: on a real Postgres, with and without TLS."""

from pathlib import Path

import pytest

from scripts.deployment.cloud.database_url import connection_problem
from scripts.local.postgres import Cluster
from tests.harness.certificates import create_authority
from tests.harness.tcp_proxy import running_proxy


def test_url_that_works_has_no_problem(postgres: Cluster, tmp_path: Path) -> None:
    trusted = create_authority(tmp_path, "trusted")
    assert connection_problem(postgres.url()) == ""
    with running_proxy(postgres.port, trusted.certify("localhost")) as proxy:
        url = proxy.through(postgres.url(), "localhost", sslmode="verify-full")
        assert connection_problem(url, trusted.root.read_text()) == ""
        assert "Set DATABASE_ROOT_CERTIFICATE" in connection_problem(url)


def test_problem_says_what_to_change(postgres: Cluster) -> None:
    with running_proxy(postgres.port, None) as proxy:
        plain = proxy.through(postgres.url(), "localhost", sslmode="verify-full")
        assert "add `sslmode=disable`" in connection_problem(plain)
    assert "password authentication failed" in connection_problem(postgres.url(password="wrong"))
    assert "`channel_binding`" in connection_problem(f"{postgres.url()}&channel_binding=require")
    assert "can't be resolved" in connection_problem(f"postgresql://postgres:pw@{'x' * 64}.example.com/postgres")


@pytest.mark.parametrize("address", ["[::1]", "[2001:db8::1]"])
def test_host_with_ipv6_addresses_only_is_rejected(address: str) -> None:
    problem = connection_problem(f"postgresql://postgres:pw@{address}:5432/postgres")
    assert "IPv6 addresses only" in problem
    assert "session pooler" in problem
