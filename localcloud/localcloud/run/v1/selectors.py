"""Label selectors of List methods in the v1 API. Pure.

The grammar is that of Kubernetes: requirements joined by commas, each `k = v`, `k == v`, `k != v`, `k in (a, b)`,
`k notin (a, b)`, `k` or `!k`.
"""

import re
from collections.abc import Mapping

from localcloud.rest.router import invalid

_KEY = r"[\w./-]+"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?(?P<key>{_KEY})\s*"
    rf"(?:(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?\s*(?:,|$)"
)


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Return True if labels meet every requirement of a selector. Errors: ApiError."""
    position, met = 0, True
    while position < len(selector):
        requirement = _REQUIREMENT.match(selector, position)
        if requirement is None:
            raise invalid(f"Invalid label selector: {selector[:200]!r}")
        met = _meets(requirement, labels) and met
        position = requirement.end()
    return met


def _meets(requirement: re.Match[str], labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement["key"])
    if requirement["set"]:
        values = {item.strip() for item in requirement["values"].split(",")}
        return (value in values) is (requirement["set"] == "in")
    if requirement["operator"]:
        return (value == requirement["value"]) is (requirement["operator"] != "!=")
    return (value is None) is bool(requirement["absent"])
