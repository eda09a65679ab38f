"""A tool with side effects, and the service that it calls, which counts orders by idempotency key.

The service is Google's token endpoint, too: the chat function gets the ID token for the sandbox from it.
"""

import threading
import urllib.request
from collections import Counter
from typing import Any

import msgspec

from headwater.tools import Tool, ToolContext
from tests.fakes.api_server import ApiServer, Reply, Request


class Order(msgspec.Struct, frozen=True):
    """What to order, and the address of the service."""

    item: str
    url: str


class PlaceOrder(Tool[Order]):
    """Places an order, with the call's key as the idempotency key."""

    name = "place_order"
    description = "Places an order."
    arguments_type = Order

    def run(self, context: ToolContext, arguments: Order) -> Any:
        headers = {"Idempotency-Key": context.call_key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{arguments.url}/orders", msgspec.json.encode(arguments.item), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return msgspec.json.decode(response.read())


class OrderService(ApiServer):
    """The service. `orders` has the items by idempotency key; `requests_of` counts the requests with a key."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.requests_of: Counter[str] = Counter()
        self.id_token = ""
        self._orders_lock = threading.Lock()
        super().__init__()

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return Reply({"id_token": self.id_token, "access_token": "none", "expires_in": 3600})
        key = request.headers["idempotency-key"]
        with self._orders_lock:
            self.requests_of[key] += 1
            return Reply({"ordered": self.orders.setdefault(key, request.body)})
