"""Overrides of an execution."""

from typing import Any

import pytest

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError
from localcloud.run.overrides import Overrides, apply, read_overrides
from localcloud.run.resources import Container, ExecutionTemplate, TaskTemplate

TEMPLATE = ExecutionTemplate(
    TaskTemplate(Container("app", name="main", args=("a", "b"), environment={"A": "1", "B": "2"}), timeout_s=60)
)


def overridden(**fields: Any) -> ExecutionTemplate:
    return apply(read_overrides(Message(fields, "overrides")), TEMPLATE)


def test_overrides_replace_arguments_and_merge_variables() -> None:
    variables = [{"name": "B", "value": "3"}, {"name": "C"}]
    template = overridden(containerOverrides=[{"args": ["x"], "env": variables}], taskCount=4, timeoutSeconds=5)
    container = template.task.container
    assert (container.args, container.environment) == (("x",), {"A": "1", "B": "3", "C": ""})
    assert (template.task_count, template.task.timeout_s) == (4, 5)
    assert overridden(timeout="7s").task.timeout_s == 7
    assert overridden(containerOverrides=[{"name": "main", "clearArgs": True}]).task.container.args == ()
    assert apply(Overrides(), TEMPLATE) == TEMPLATE


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"name": "other"}, "The job has no container named 'other'."),
        ({"args": ["x"], "clearArgs": True}, "ContainerOverride.args must be empty when clearArgs is set."),
    ],
)
def test_invalid_override_is_rejected(override: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as error:
        overridden(containerOverrides=[override])
    assert error.value.body["error"]["message"] == message
