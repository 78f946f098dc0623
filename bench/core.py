"""As `python -m bench core`, which stands for it."""

import sys

from bench.harness.command import main

if __name__ == "__main__":
    sys.exit(main(["core", *sys.argv[1:]]))
