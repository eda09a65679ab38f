"""Measure transactions per second on one connection, compared with SQLAlchemy's usual set-up.

    python -m bench.transactions

Each transaction runs one query with a parameter. The comparison is SQLAlchemy on pg8000 with `pool_pre_ping`: it tests
the connection, begins, sets the workspace, queries and commits. Both use the same local Postgres; with a distant one,
the number of round trips matters more.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from bench.cold_start import free_port
from headwater.database.migrations import upgrade
from headwater.database.transactions import ALL_WORKSPACES, Database
from scripts.local.postgres import temporary_cluster

QUERY = sa.text("select id from steps where id = :id")
SCOPE = sa.text("select set_config('app.workspace_id', :scope, true)")


def per_s(once: Callable[[], None], transactions: int) -> float:
    """Return transactions per second."""
    started = time.perf_counter()
    for _ in range(transactions):
        once()
    return transactions / (time.perf_counter() - started)


def main() -> None:
    """Measure in alternating rounds and print the best of each."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.transactions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=1000, help="per round; default: 1000")
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        cluster.execute("create database bench")
        url = cluster.url("bench", role="app", password="bench")
        upgrade(cluster.url("bench"), url)
        database = Database(url, 1)
        usual = sa.create_engine(
            sa.make_url(url).set(query={}),
            connect_args={"ssl_context": False},
            pool_size=1,
            pool_pre_ping=True,
        )

        def ours() -> None:
            with database.transaction(ALL_WORKSPACES) as tx:
                tx.execute(QUERY, {"id": 1}).one_or_none()

        def peer() -> None:
            with usual.begin() as tx:
                tx.execute(SCOPE, {"scope": "*"})
                tx.execute(sa.text("select id from headwater.steps where id = :id"), {"id": 1}).one_or_none()

        rates = [(per_s(ours, options.transactions), per_s(peer, options.transactions)) for _ in range(options.rounds)]
        database.close()
        usual.dispose()
    our_rate, peer_rate = map(max, zip(*rates, strict=True))
    print(f"headwater {our_rate:5.0f}/s, usual {peer_rate:5.0f}/s, ratio {our_rate / peer_rate:.2f}")


if __name__ == "__main__":
    main()
