"""The token that functions with `AUTH_MODE=local` and localcloud require in tests."""

LOCAL_TOKEN = "the-token-of-the-user-of-this-machine"
AUTHORIZATION = {"Authorization": f"Bearer {LOCAL_TOKEN}"}
