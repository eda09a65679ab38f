"""Container images: their content-based tag, and the Cloud Build command. The plan is pure.

The tag is a hash of the images' source files. Other changes build and roll out nothing, and the same tree gives the
same release wherever it is deployed from.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.deployment.cloud.read_cloud import GoogleCloud
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, Installation

TARGETS = (*FUNCTIONS, "job")
SOURCES = ("Dockerfile", "functions", "scripts/graph-requirements.txt", "shared")
"""The Dockerfile and all that it copies."""


def content_tag(root: Path) -> str:
    """Return the first 12 hexadecimal digits of a hash of the images' source files."""
    digest = hashlib.sha256()
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        paths = [root / name] if (root / name).is_file() else sorted((root / name).rglob("*"))
        yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def read_images(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the tagged images in the repository."""
    path = f"/v1/projects/{installation.project}/locations/{installation.region}/repositories/headwater/dockerImages"
    listed = google.all("artifactregistry", path, "dockerImages", pageSize=1000)
    return replace(
        state,
        images=frozenset(f"{each['uri'].partition('@')[0]}:{tag}" for each in listed for tag in each.get("tags", [])),
    )


def plan_images(installation: Installation, state: CloudState) -> list[Command]:
    """Build all four images on Cloud Build if one is missing."""
    if all(installation.image(target, installation.tag) in state.images for target in TARGETS):
        return []
    build = f"projects/{installation.project}/serviceAccounts/{installation.account('build')}"
    return [
        gcloud(
            "builds",
            "submit",
            ".",
            target="images",
            project=installation.project,
            config="cloudbuild.yaml",
            service_account=build,
            gcs_source_staging_dir=f"gs://{installation.bucket}/source",
            substitutions=pairs({"_REGION": installation.region, "_TAG": installation.tag}),
            minutes="5 to 15",
        )
    ]
