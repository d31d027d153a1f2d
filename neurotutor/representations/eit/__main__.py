"""Train the chapter's networks for three bodies: `python -m neurotutor.representations.eit`."""

import sys

from neurotutor.representations.eit.triples import main

if __name__ == "__main__":
    sys.exit(main())
