"""Commands for container images."""

import pytest

from localcloud.run.execution.images import ImageError, read_images
from localcloud.run.resources import Container


@pytest.mark.parametrize(
    "image",
    ["app", "app:v1", "host:5000/p/r/app", "host:5000/p/r/app:v1", f"eu-docker.pkg.dev/p/r/app@sha256:{'0' * 64}"],
)
def test_image_is_found_by_its_last_part(image: str) -> None:
    images = read_images(["app=python -m 'my app'", "other=true"])
    assert images.argv(Container(image, args=("--now",))) == ("python", "-m", "my app", "--now")


def test_most_specific_image_name_wins() -> None:
    images = read_images(["app=short", "host/r/app=path", "host/r/app:v1=exact"])
    commands = [images.argv(Container(image)) for image in ("host/r/app:v1", "host/r/app:v2", "else/app:v1", "nothing")]
    assert commands == [("exact",), ("path",), ("short",), None]


def test_container_command_replaces_the_image_command() -> None:
    images = read_images(["app=python"])
    assert images.argv(Container("app", command=("sh", "-c"), args=("x",))) == ("sh", "-c", "x")


@pytest.mark.parametrize("option", ["app", "=x", "app=", "app='"])
def test_invalid_image_option_is_rejected(option: str) -> None:
    with pytest.raises(ImageError, match="--image"):
        read_images([option])
