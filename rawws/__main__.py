"""`python -m rawws` is `rawws`."""

import sys

from rawws.cli import main

sys.exit(main())
