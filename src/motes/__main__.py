"""``python -m motes``: the command line."""

from motes.cli import main

main()
