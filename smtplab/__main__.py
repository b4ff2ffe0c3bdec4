"""`python -m smtplab` is the command `smtplab`."""

import sys

from smtplab.cli import main

sys.exit(main())
