"""`python -m vivant.cli`: the `vivant` command where it is not on the PATH."""

from vivant.cli import main

main()
