"""`python -m urbancast` is the command `urbancast`."""

from urbancast.cli import main

main()
