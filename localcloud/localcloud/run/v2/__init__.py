"""Cloud Run Admin API v2, which `google.cloud.run_v2` calls: methods, parsing, rendering."""
