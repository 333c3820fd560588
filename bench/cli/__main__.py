"""`python -m bench.cli`: the command without an installed script."""

import sys

from bench.cli import main

sys.exit(main())
