"""`python -m skipbench`."""

import sys

from skipbench.bench.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
