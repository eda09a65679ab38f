"""Declare extensions without installing a package."""

from pathlib import Path


def declare_parser(site: Path, name: str, target: str) -> Path:
    """Write the metadata of a package with one parser. Returns the folder to put on PYTHONPATH."""
    metadata = site / "headwater_declared-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: headwater-declared\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[headwater.parsers]\n{name} = {target}\n")
    return site


def declare_tool(site: Path, name: str, target: str) -> Path:
    """Write the metadata of a package with one tool. Returns the folder to put on PYTHONPATH."""
    metadata = site / "headwater_declared_tool-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: headwater-declared-tool\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[headwater.tools]\n{name} = {target}\n")
    return site
