"""Folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
EDGE = ROOT / "edge"
MODELS = ROOT / ".headwater" / "models"
WEIGHTS = ROOT / ".headwater" / "weights"
