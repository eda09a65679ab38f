"""The desired installation, the state of the cloud, and the commands between them. Pure: no network, no processes."""
