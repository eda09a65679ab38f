"""The connector of folders on this machine."""
