"""Values that an agent's process sends."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.agents.messages import plain_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
    max_leaves=10,
)


@given(VALUES)
def test_plain_json_can_be_sent(value: object) -> None:
    msgspec.msgpack.decode(msgspec.msgpack.encode(plain_json(value)))


def test_plain_json_keeps_what_json_has() -> None:
    value = {"a": [1, -(2**63), 2**63 - 1, 0.5, None, True, "é"]}
    assert plain_json(value) == value


def test_plain_json_makes_texts_of_other_values() -> None:
    large = 2**70
    given = {"large": [large, -large, 2**63], "other": Decimal("1.5"), "half": "a\ud800", (1, 2): "left out"}
    assert plain_json(given) == {"large": [str(large), str(-large), str(2**63)], "other": "1.5", "half": "a?"}
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        plain_json(circle)
    assert json.dumps(plain_json({1: 2})) == '{"1": 2}'
