"""The page of a run: what the search found, as one HTML file that needs nothing else.

It can be made at any time, also while the search runs. Several runs are compared on one page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.written import report


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        made = report(args.run, args.out)
    except (OSError, ValueError) as error:
        print(f"nas.report: error: {error}", file=sys.stderr)
        return 2
    print(made)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nas.report", description=__doc__)
    parser.add_argument("run", nargs="+", type=Path, help="the folder of a run")
    parser.add_argument(
        "-o", "--out", type=Path, help="where the page is written (report.html in the run)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
