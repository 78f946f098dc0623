"""As `python -m bench echo`, which stands for it."""

import sys

from bench.harness.command import main

if __name__ == "__main__":
    sys.exit(main(["echo", *sys.argv[1:]]))
