"""Pages of List methods."""

import asyncio
import json
from typing import Any

import pytest

from localcloud.rest.paging import page_size
from localcloud.rest.router import Call, Route, Router


def show(call: Call) -> dict[str, Any]:
    return {"size": page_size(call, 100)}


@pytest.mark.parametrize(
    ("query", "status", "size"),
    [
        ("", 200, 100),
        ("?pageSize=0", 200, 100),
        ("?pageSize=2", 200, 2),
        ("?pageSize=" + "9" * 18, 200, 100),
        ("?pageSize=" + "9" * 19, 400, None),
        ("?pageSize=" + "9" * 5_000, 400, None),
        ("?pageSize=%C2%B2", 400, None),
        ("?pageSize=-1", 400, None),
    ],
    ids=["absent", "zero", "two", "18 digits", "19 digits", "5,000 digits", "superscript", "negative"],
)
def test_page_size_is_a_number_of_64_bits(query: str, status: int, size: int | None) -> None:
    answered, payload = asyncio.run(
        Router([Route("GET", "/items", "ListItems", show)]).answer("GET", f"/items{query}", b"")
    )
    assert (answered, json.loads(payload).get("size")) == (status, size)
