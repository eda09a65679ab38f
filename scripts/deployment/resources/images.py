"""Container images: their content-based tag, and the Cloud Build command. The plan is pure.

The tag is a hash of the images' source files. Other changes build and roll out nothing, and the same tree gives the
same release wherever it is deployed from.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.deployment.cloud.read_cloud import GoogleCloud
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, SANDBOX, Installation

PROMOTE_FILE = "scripts/deployment/resources/promote.yaml"
TARGETS = (*FUNCTIONS, "job", SANDBOX)
MIGRATIONS = "shared/headwater/database/migrations/versions"
SOURCES = ("Dockerfile", "functions", "scripts/graph-requirements.txt", "scripts/weights-requirements.txt", "shared")
"""The Dockerfile and all that it copies."""


def content_tag(root: Path) -> str:
    """Return the first 12 hexadecimal digits of a hash of the images' source files."""
    digest = hashlib.sha256()
    for path in _files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def newest_migration(root: Path) -> str:
    """Return the number of the newest migration, such as 0005."""
    return max(path.name.partition("_")[0] for path in (root / MIGRATIONS).glob("[0-9]*_*.py"))


def _files(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        paths = [root / name] if (root / name).is_file() else sorted((root / name).rglob("*"))
        yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def read_images(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the tagged images in the repository, with their digests."""
    path = f"/v1/projects/{installation.project}/locations/{installation.region}/repositories/headwater/dockerImages"
    listed = list(google.all("artifactregistry", path, "dockerImages", pageSize=1000))
    images = {f"{each['uri'].partition('@')[0]}:{tag}": each["uri"] for each in listed for tag in each.get("tags", [])}
    return replace(state, images=images, digests=frozenset(each["uri"] for each in listed))


def plan_images(installation: Installation, state: CloudState) -> list[Command]:
    """Build all images on Cloud Build if one is missing. In a promotion, copy them."""
    if installation.promoted:
        return _copy(installation, state)
    if all(installation.image(target, installation.tag) in state.images for target in TARGETS):
        return []
    return [
        gcloud(
            "builds",
            "submit",
            ".",
            target="images",
            project=installation.project,
            region=_build_region(installation),
            worker_pool=installation.build_pool or None,
            config="cloudbuild.yaml",
            service_account=_build_account(installation),
            gcs_source_staging_dir=f"gs://{installation.bucket}/source",
            substitutions=pairs({"_REGION": installation.region, "_TAG": installation.tag}),
            minutes="5 to 15",
        )
    ]


def promoted_image(installation: Installation, target: str) -> str:
    """Return the reference that a promoted image has in the installation's own repository, '' if it isn't promoted."""
    digest = dict(installation.promoted).get(target, "").partition("@")[2]
    return f"{installation.image(target, '').removesuffix(':')}@{digest}" if digest else ""


def _copy(installation: Installation, state: CloudState) -> list[Command]:
    """Copy all images from the other environment's repository if one is missing, with the right to read it."""
    copied = {target: state.images.get(installation.image(target, installation.tag)) for target in TARGETS}
    if all(copied[target] == promoted_image(installation, target) for target in TARGETS):
        return []
    sources = {target: image.partition("@") for target, image in installation.promoted}
    repository = sources["job"][0].removesuffix("/job")
    region, project = repository.split("-docker.pkg.dev/")[0], repository.split("/")[1]
    owner = replace(installation, project=project, region=region)
    grants = [] if installation.can_read_promoted else missing(owner, [reads_promoted(installation)], frozenset())
    values = {"_FROM": repository, "_TO": installation.image("job", "").removesuffix("/job:"), "_TAG": installation.tag}
    values |= {f"_{target.upper()}": digest for target, (_, _, digest) in sources.items()}
    copy = gcloud(
        "builds",
        "submit",
        target="images",
        project=installation.project,
        region=_build_region(installation),
        worker_pool=installation.build_pool or None,
        source=False,
        config=PROMOTE_FILE,
        service_account=_build_account(installation),
        substitutions=pairs(values),
        minutes="1 to 3",
    )
    return [*(replace(command, target="images") for command in grants), copy]


def reads_promoted(installation: Installation) -> Binding:
    """Return the binding on the other environment's repository that lets the build account copy its images."""
    return Binding("repository/headwater", "roles/artifactregistry.reader", account(installation, "build"))


def _build_account(installation: Installation) -> str:
    return f"projects/{installation.project}/serviceAccounts/{installation.account('build')}"


def _build_region(installation: Installation) -> str:
    """Return the region of the private pool, or else of the installation: sources and logs stay there."""
    return installation.build_pool.split("/")[3] if installation.build_pool else installation.region
