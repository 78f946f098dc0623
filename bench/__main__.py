"""`python -m bench`."""

import sys

from bench.harness.command import main

sys.exit(main(sys.argv[1:]))
