"""Build the ONNX models: `python -m headwater.embedding.export DIR [MODEL …]`.

Runs once per installation, in `scripts/dev` and in the image build. Requires the extra `graph`, but not torch.
"""

import argparse
from pathlib import Path

from headwater.embedding.export.build import RECIPES, build
from headwater.errors import ConfigError


def main() -> None:
    """Run the command line: build the models and print the results."""
    parser = argparse.ArgumentParser(
        prog="python -m headwater.embedding.export", description="Build the ONNX models from published weights."
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder that MODEL_DIR names")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"default: {' '.join(RECIPES)}")
    options = parser.parse_args()
    for name in options.models or RECIPES:
        if name not in RECIPES:
            parser.error(f"Unknown model {name}. Choose from {', '.join(RECIPES)}.")
        try:
            built = build(options.dir, name)
        except ConfigError as error:
            parser.exit(1, f"{error}\n")
        size_mb = sum(file.stat().st_size for file in (options.dir / name).iterdir()) / 1e6
        print(f"{options.dir / name}: {'built' if built else 'already there'}, {size_mb:.0f} MB")


if __name__ == "__main__":
    main()
