"""Cloud Run Admin API v1, which `gcloud run jobs` calls: methods, JSON in and out, label selectors."""
