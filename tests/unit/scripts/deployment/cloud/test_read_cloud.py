"""The lifetime of gcloud's access token."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scripts.deployment.cloud.read_cloud import GoogleCloud, with_fresh_token


@pytest.mark.parametrize(
    ("seconds", "is_renewed"), [(3600, False), (300, False), (200, True), (-10, True), (None, False)]
)
def test_token_that_expires_soon_is_renewed(seconds: int | None, is_renewed: bool) -> None:
    expires_at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    google = GoogleCloud("old", "acme-headwater", "", {}, "", "", expires_at)
    fresh = with_fresh_token(google, lambda project: replace(google, token="new"))
    assert fresh.token == ("new" if is_renewed else "old")
