"""Make pools of urllib3, and the sessions of Google's REST clients, keep the applied deadline."""

from typing import Any, TypeVar

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from headwater.outbound.guarded_http import LimitedConnection, LimitedTLSConnection


class _Pool(HTTPConnectionPool):
    ConnectionCls = LimitedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = LimitedTLSConnection


P = TypeVar("P")


def limit_pools(pools: P) -> P:
    """Make a PoolManager of urllib3 open connections with limited sockets. Returns it."""
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}  # type: ignore[attr-defined]
    return pools


def limit_session(session: Any) -> None:
    """Make a `requests` session of google-auth, and its session for tokens, open connections with limited sockets."""
    for each in (session, session._auth_request_session):
        for adapter in each.adapters.values():
            limit_pools(adapter.poolmanager)
