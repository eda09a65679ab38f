"""The parser of WordPress exports (WXR)."""
