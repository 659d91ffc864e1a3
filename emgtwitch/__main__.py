"""Run the command line with ``python -m emgtwitch``."""

import sys

from emgtwitch.cli import main

sys.exit(main())
