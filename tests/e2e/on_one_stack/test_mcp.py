"""A client of the Model Context Protocol connects through the Worker."""

from typing import Any

import httpx

from tests.harness.stacks import RunningStack


def test_client_connects_and_lists_the_tools(stack: RunningStack) -> None:
    with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60, trust_env=False) as client:

        def send(method: str, **members: Any) -> httpx.Response:
            return client.post("/mcp", json={"jsonrpc": "2.0", "method": method, **members})

        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        assert send("initialize", id=1, params=params).json()["result"]["serverInfo"]["name"] == "headwater"
        accepted = send("notifications/initialized")
        assert (accepted.status_code, accepted.content) == (202, b"")
        assert [tool["name"] for tool in send("tools/list", id=2).json()["result"]["tools"]][:1] == ["search"]
