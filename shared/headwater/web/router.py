"""Find the route of a request by its path and method, with werkzeug's rules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.exceptions import NotFound as WerkzeugNotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from headwater.errors import MethodNotAllowed, NotFound
from headwater.web.once import once


class _Route(Protocol):
    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


R = TypeVar("R", bound=_Route)


class _MatchedRule(Rule):
    """A rule that matches paths and builds none: werkzeug would compile two functions for that, in 0.2 ms a rule."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: ARG002
        return _build_no_path


def _build_no_path(rule: Rule, /, **_: object) -> tuple[str, str]:
    raise NotImplementedError(f"{rule.rule} can't be built.")


class Router(Generic[R]):
    """Finds routes. `load_more` returns further ones; it is called once, when a request matches none of `at_start`."""

    def __init__(self, at_start: Sequence[R], load_more: Callable[[], Sequence[R]]) -> None:
        self._at_start = make_map(at_start)
        self._complete = once(lambda: make_map([*at_start, *load_more()]))

    def match(self, path: str, method: str) -> tuple[R, Mapping[str, Any]]:
        """Return the route and the values of its path's parameters. Raises NotFound and MethodNotAllowed."""
        try:
            try:
                found: tuple[R, Mapping[str, Any]] = self._at_start.bind("").match(path, method)
            except (WerkzeugMethodNotAllowed, WerkzeugNotFound, RequestRedirect):
                found = self._complete().bind("").match(path, method)
        except WerkzeugMethodNotAllowed as error:
            allowed = sorted(error.valid_methods or [])
            message = f"{path} does not support {method}. Use {', '.join(allowed)}."
            raise MethodNotAllowed(message, allowed) from error
        except (WerkzeugNotFound, RequestRedirect) as error:
            raise NotFound(f"There is nothing at {path}.") from error
        return found


def make_map(routes: Sequence[_Route]) -> Map:
    """Return werkzeug's map of the routes."""
    rules = [_MatchedRule(route.path, endpoint=route, methods=[route.method]) for route in routes]
    return Map(rules, redirect_defaults=False)
