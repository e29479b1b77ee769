"""`python -m multimodel` is `multimodel`."""

import sys

from multimodel.cli import main

sys.exit(main())
