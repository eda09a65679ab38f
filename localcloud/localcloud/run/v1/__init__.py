"""Cloud Run Admin API v1, which `gcloud run jobs` calls: methods, parsing, rendering, label selectors."""
