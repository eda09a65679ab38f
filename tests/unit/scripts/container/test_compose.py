"""The example for Compose: its settings, volumes and hardening agree with the image and the code."""

import re
from typing import Any

import yaml

from scripts.container.stack import DATA, PORT, ContainerStack
from tests.harness.images import stages
from tests.harness.paths import ROOT

FOLDER = ROOT / "examples" / "one-container"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_build_makes_the_target_all_of_our_dockerfile() -> None:
    build = SERVICES["headwater"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert build["target"] in stages()


def test_container_is_hardened_and_published_on_loopback_only() -> None:
    headwater = SERVICES["headwater"]
    assert headwater["read_only"] is True
    assert headwater["tmpfs"] == ["/tmp"]
    assert headwater["cap_drop"] == ["ALL"]
    assert headwater["security_opt"] == ["no-new-privileges:true"]
    assert stages()["all"].user == "headwater"
    assert headwater["ports"] == [f"127.0.0.1:${{HEADWATER_PORT:-{PORT}}}:{PORT}"]
    assert "ports" not in SERVICES["postgres"]


def test_code_of_agents_is_allowed_by_a_file_of_its_own() -> None:
    [headwater] = yaml.safe_load((FOLDER / "code.yaml").read_text())["services"].values()
    assert headwater == {"security_opt": ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"]}
    assert "bubblewrap" in " ".join(stages()["sandboxed"].runs)


def test_state_is_on_the_volume() -> None:
    volume, _, target = SERVICES["headwater"]["volumes"][0].partition(":")
    assert DATA.parent.as_posix() == target
    assert ContainerStack(DATA, PORT, {}).temporary.is_relative_to(target)
    named = {mount.partition(":")[0] for service in SERVICES.values() for mount in service["volumes"]}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert volume in COMPOSE["volumes"]


def test_other_images_are_pinned_by_digest() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name != "headwater"]
    assert images
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)


def test_caddy_forwards_to_the_port_of_the_container() -> None:
    assert f"reverse_proxy headwater:{PORT}" in (FOLDER / "Caddyfile").read_text()
    assert "./Caddyfile:/etc/caddy/Caddyfile:ro" in SERVICES["caddy"]["volumes"]
