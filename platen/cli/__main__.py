"""`python -m platen.cli`."""

from platen.cli import main

main()
