"""Entry point of `python -m neurotutor`."""

import sys

from neurotutor.cli import main

if __name__ == "__main__":
    sys.exit(main())
