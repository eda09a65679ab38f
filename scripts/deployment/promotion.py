"""Promote the release that serves one environment to another: the same images by digest, nothing is built again.

The images are copied to the other environment's repository, so that neither needs the other afterwards. Settings come
from deploy.toml. The Worker is built from the checkout, which must have the sources that the first environment serves.
"""

from collections.abc import Sequence
from dataclasses import replace

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import connect
from scripts.deployment.plan.cloud_state import CloudState, WorkerVersion
from scripts.deployment.plan.installation import FUNCTIONS, RELEASE_LABEL, SCHEMA_LABEL, Installation
from scripts.deployment.resources.containers import label_of
from scripts.deployment.resources.images import TARGETS, read_images, reads_promoted
from scripts.deployment.resources.services import is_released, read_services, service_name
from scripts.deployment.resources.worker import read_versions, source_parts


def promote(installation: Installation, source: Installation, *, with_worker: bool) -> Installation:
    """Return the installation with the release of another environment.

    Raises DeploymentError unless that environment serves exactly one release, whose images exist.
    """
    google = connect(source.project)
    state = read_images(google, source, read_services(google, source, CloudState()))
    promoted = find_release(installation, source, state)
    reader = reads_promoted(installation)
    can_read = reader in read_access(google, source, [reader])
    if with_worker:
        programs.build_edge()
        check_worker(source, read_versions(source))
    return replace(promoted, can_read_promoted=can_read)


def find_release(installation: Installation, source: Installation, state: CloudState) -> Installation:
    """Return the installation with the release that the services of `source` serve. Pure."""
    name = source.environment or source.project
    templates = []
    for service in map(service_name, FUNCTIONS):
        if service not in state.services or not is_released(state.services[service]):
            raise DeploymentError(
                f"{name} can't be promoted: {service} doesn't serve its newest revision only",
                f"finish its deployment first: scripts/deploy {source.environment}".rstrip(),
            )
        templates.append(state.services[service]["spec"]["template"])
    releases = {label_of(each["metadata"], RELEASE_LABEL) for each in templates}
    if len(releases) != 1 or "" in releases:
        raise DeploymentError(
            f"{name} can't be promoted: its services serve {_listed(sorted(releases))}",
            f"deploy it first: scripts/deploy {source.environment}".rstrip(),
        )
    [release] = releases
    images = {target: state.images.get(source.image(target, release), "") for target in TARGETS}
    served = {each["spec"]["containers"][0]["image"] for each in templates}
    if not all(images.values()) or served - set(images.values()):
        raise DeploymentError(
            f"{name} can't be promoted: images of its release {release} were deleted or replaced",
            f"deploy it first: scripts/deploy {source.environment}".rstrip(),
        )
    schema = label_of(templates[0]["metadata"], SCHEMA_LABEL)
    return replace(installation, tag=release, schema=schema, promoted=tuple(sorted(images.items())))


def check_worker(source: Installation, versions: Sequence[WorkerVersion]) -> None:
    """Raise DeploymentError unless the Worker of `source` was built from this checkout's sources."""
    ours = source_parts(programs.ROOT)
    if not any(each.percent == 100 and ours.items() <= each.parts.items() for each in versions):
        raise DeploymentError(
            f"the checkout's Worker or web app differs from the one that {source.environment or source.project} serves",
            "check out the commit that was deployed there, or leave the Worker out: --skip=worker",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or "no release" for name in names)
