"""One line on stderr for everything that the server has to say."""

import sys


def print_line(message: str) -> None:
    """Print one line; control characters of a request cannot start another one."""
    line = "".join(c if c.isprintable() else "?" for c in message)
    print(f"motes: {line[:400]}", file=sys.stderr, flush=True)
