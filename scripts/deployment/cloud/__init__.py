"""Everything that talks to Google Cloud and Cloudflare: REST reads, gcloud and wrangler processes, secret values."""
