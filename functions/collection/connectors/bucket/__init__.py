"""The connector of buckets on S3 and compatible services."""
