"""The router: which routes match, and when the others are loaded."""

import re
import uuid
from typing import NamedTuple

import pytest

from headwater.errors import MethodNotAllowed, NotFound
from headwater.web.router import Router, make_map


class Named(NamedTuple):
    method: str
    path: str


READ, CHANGE, LATER = Named("GET", "/things/<uuid:id>"), Named("PATCH", "/things/<uuid:id>"), Named("GET", "/later")
PART = Named("GET", "/things/<uuid:id>/parts/<int:number>")
ID = "00000000-0000-4000-8000-000000000001"


class Loading:
    """Makes a router, and counts how often it loads more."""

    def __init__(self) -> None:
        self.times = 0
        self.router = Router([READ], self.load_more)

    def load_more(self) -> list[Named]:
        self.times += 1
        return [CHANGE, LATER, PART]


def test_route_at_start_matches_without_loading_more() -> None:
    loading = Loading()
    route, values = loading.router.match(f"/things/{ID}", "GET")
    assert (route, str(values["id"]), loading.times) == (READ, ID, 0)


def test_other_routes_are_loaded_once_by_a_path_or_a_method_of_theirs() -> None:
    loading = Loading()
    assert loading.router.match(f"/things/{ID}", "PATCH")[0] == CHANGE
    assert loading.router.match("/later", "GET")[0] == LATER
    assert loading.router.match(f"/things/{ID}", "GET")[0] == READ
    assert loading.times == 1


def test_errors_know_all_routes() -> None:
    router = Loading().router
    with pytest.raises(MethodNotAllowed, match="Use GET, HEAD, PATCH"):
        router.match(f"/things/{ID}", "PUT")
    with pytest.raises(NotFound, match="nothing at /none"):
        router.match("/none", "GET")


@pytest.mark.parametrize(
    ("path", "method", "message"),
    [
        ("/things/abc", "GET", "'abc' is not a valid id. Ids look like 5f0c7a52-"),
        ("/things/abc", "PATCH", "'abc' is not a valid id. Ids look like 5f0c7a52-"),
        (f"/things/{ID}/parts/-1", "GET", "'-1' is not a valid id. It has to be a number. Check the address."),
        (f"/things/{ID}x/parts/1", "GET", f"'{ID}x' is not a valid id."),
        ("/things/abc/parts", "GET", "There is nothing at /things/abc/parts."),
        ("/things/abc", "PUT", "There is nothing at /things/abc."),
    ],
)
def test_error_for_an_invalid_id_names_the_id(path: str, method: str, message: str) -> None:
    with pytest.raises(NotFound, match=re.escape(message)):
        Loading().router.match(path, method)


def test_rules_have_no_compiled_code_that_builds_paths() -> None:
    for rule in make_map([READ, LATER]).iter_rules():
        with pytest.raises(NotImplementedError):
            rule.build({"id": uuid.UUID(ID)})
