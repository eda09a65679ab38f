"""ID tokens for targets."""

import base64
import json

from localcloud.targets.id_tokens import id_token


def test_token_has_googles_claims_and_cloud_runs_signature_marker() -> None:
    header, claims, signature = id_token("a@p.iam.gserviceaccount.com", "https://service", now=1000.9).split(".")
    assert signature == "SIGNATURE_REMOVED_BY_GOOGLE"
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "RS256"
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert decoded.pop("sub") == decoded.pop("azp")
    assert decoded == {
        "iss": "https://accounts.google.com",
        "aud": "https://service",
        "email": "a@p.iam.gserviceaccount.com",
        "email_verified": True,
        "iat": 1000,
        "exp": 4600,
    }


def test_same_email_gives_the_same_subject() -> None:
    first, again, other = (id_token(email, "x", now=0) for email in ("a@p", "a@p", "b@p"))
    assert first == again != other
