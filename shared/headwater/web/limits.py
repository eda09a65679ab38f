"""Sizes of requests, in bytes. The Worker has the same (edge/worker/limits.ts); docs/limits.md lists all limits."""

MAX_URL_BYTES = 64_000
"""Path and query, percent-encoded. workerd accepts 65,534; Cloudflare, in front of it, 16 KB."""

MAX_HEADER_BYTES = 32_768
"""All headers that the Worker forwards, with four bytes each for `: ` and the line's end."""

MAX_BODY_BYTES = 1_000_000
"""Default of request bodies; enough for a question, its history, and 2,048 short texts to embed."""

MAX_UPLOAD_BYTES = 31_000_000
"""The body of an upload; Cloud Run accepts requests of 32 MiB."""
