"""What `main` returns becomes the exit code, as scripts that have an entry point do it.

Survives pasting: a number that is passed on needs no modules; the other exit codes do.
"""

import sys

from answers.deep_thought import main

sys.exit(main())
