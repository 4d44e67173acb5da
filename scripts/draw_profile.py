"""Draw the terminal page of a run as an SVG: the picture in the README.

python scripts/draw_profile.py gradiometer-runs/demo.gmr docs/images/profile.svg
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import gradiometer as gm
from gradiometer.views import Style, text_svg

MARK = re.compile(r"terminal-\d+")  # Rich numbers its classes by the content; one fixed name keeps the diff small


def main(run_file: str, picture: str) -> None:
    """Write the picture of ``run_file`` to ``picture``."""
    run = gm.open(run_file)
    page = text_svg(run, gm.diagnose(run), Style(width=80))
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    Path(picture).write_text(MARK.sub("terminal-0", page), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
