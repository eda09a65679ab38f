"""The pure rules of Cloud Run jobs: images, overrides, results, selectors, filters."""

from typing import Any

import pytest

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError
from localcloud.run.execution.container_contract import result_of
from localcloud.run.execution.images import ImageError, read_images
from localcloud.run.execution.processes import Ended
from localcloud.run.logs.entries import read_filter
from localcloud.run.overrides import Overrides, apply, read_overrides
from localcloud.run.resources import Container, ExecutionTemplate, TaskTemplate
from localcloud.run.v1.selectors import matches

TEMPLATE = ExecutionTemplate(
    TaskTemplate(Container("app", name="main", args=("a", "b"), environment={"A": "1", "B": "2"}), timeout_s=60)
)
LABELS = {"run.googleapis.com/job": "j", "team": "docs"}


@pytest.mark.parametrize(
    "image",
    ["app", "app:v1", "host:5000/p/r/app", "host:5000/p/r/app:v1", f"eu-docker.pkg.dev/p/r/app@sha256:{'0' * 64}"],
)
def test_an_image_is_known_by_its_short_name(image: str) -> None:
    images = read_images(["app=python -m 'my app'", "other=true"])
    assert images.argv(Container(image, args=("--now",))) == ("python", "-m", "my app", "--now")


def test_the_most_exact_name_of_an_image_counts() -> None:
    images = read_images(["app=short", "host/r/app=path", "host/r/app:v1=exact"])
    found = [images.argv(Container(image)) for image in ("host/r/app:v1", "host/r/app:v2", "else/app:v1", "nothing")]
    assert found == [("exact",), ("path",), ("short",), None]


def test_a_command_replaces_what_an_image_runs() -> None:
    images = read_images(["app=python"])
    assert images.argv(Container("app", command=("sh", "-c"), args=("x",))) == ("sh", "-c", "x")


@pytest.mark.parametrize("option", ["app", "=x", "app=", "app='"])
def test_an_image_without_a_command_is_told(option: str) -> None:
    with pytest.raises(ImageError, match="--image"):
        read_images([option])


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


def test_overrides_that_cannot_be_are_refused() -> None:
    for wrong in ({"name": "other"}, {"args": ["x"], "clearArgs": True}):
        with pytest.raises(ApiError):
            overridden(containerOverrides=[wrong])


@pytest.mark.parametrize(
    ("ended", "code", "number", "message"),
    [
        (Ended(0), 0, None, ""),
        (Ended(3), 3, None, "The container exited with an error."),
        (Ended(-9), None, 9, "The container was terminated by signal 9."),
        (Ended(0, timed_out=True), None, None, "The configured timeout was reached."),
    ],
)
def test_the_end_of_a_process_is_the_result_of_its_task(
    ended: Ended, code: int | None, number: int | None, message: str
) -> None:
    result = result_of(ended)
    assert (result.exit_code, result.term_signal, result.message) == (code, number, message)
    assert result.succeeded is (message == "")


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("", True),
        ("run.googleapis.com/job = j", True),
        ("run.googleapis.com/job=k", False),
        ("team==docs,run.googleapis.com/job != k", True),
        ("team != docs", False),
        ("other != x", True),
        ("team in (ops, docs),run.googleapis.com/job in (j)", True),
        ("team notin (ops, docs)", False),
        ("team", True),
        ("!team", False),
        ("!other,team", True),
    ],
)
def test_labels_are_selected(selector: str, *, wanted: bool) -> None:
    assert matches(selector, LABELS) is wanted


@pytest.mark.parametrize("selector", ["a = b c", "in (a)", "a in b", ",", "a > 1"])
def test_what_is_no_selector_is_told(selector: str) -> None:
    with pytest.raises(ApiError, match="Not a label selector"):
        matches(selector, LABELS)


def test_the_filters_that_gcloud_writes_are_understood() -> None:
    text = 'resource.type = cloud_run_job \n AND labels."run.googleapis.com/execution_name" = j-abcde \n'
    text += ' AND severity >= DEFAULT \n AND timestamp>="2026-11-21T04:42:33.919730Z"'
    wanted = read_filter(text)
    assert wanted.equal == {"resource.type": "cloud_run_job", 'labels."run.googleapis.com/execution_name"': "j-abcde"}
    assert wanted.since == pytest.approx(1795236153.91973)
    assert wanted.wants_line(wanted.since, "DEFAULT")
    assert not wanted.wants_line(wanted.since - 1, "EMERGENCY")


@pytest.mark.parametrize("clause", ["textPayload:x", "NOT a", "severity = ERROR", "resource.type != x", "(a = b)"])
def test_any_other_filter_is_refused_by_its_words(clause: str) -> None:
    with pytest.raises(ApiError) as refused:
        read_filter(clause)
    assert refused.value.http_status == 501
