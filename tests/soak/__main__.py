"""``python -m tests.soak [--only NAME ...] [--minutes N] [--short]``: a Markdown table and JSON on stdout.

Exit code 0 only where every goal was met.
"""

import argparse
import signal
import sys

from tests.soak.parts import names, part
from tests.soak.rows import Length, Row, as_json, as_markdown


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names(), default=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--minutes", type=float, help="of each part, instead of its own")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes")
    asked = parser.parse_args(arguments)
    length, rows = Length(asked.minutes, asked.short), list[Row]()
    for name in asked.only:
        print(f"soak: {name}", file=sys.stderr, flush=True)
        rows += part(name)(length)
    print(as_markdown(rows), as_json(rows), sep="\n\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    # An end by SIGTERM, as of timeout(1), still stops the services that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
