"""`python -m rawws` is `rawws`."""

import sys

try:
    from rawws.cli import main
except KeyboardInterrupt:
    sys.exit(130)

sys.exit(main())
