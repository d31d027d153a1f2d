"""Entry point of `python -m neurotutor`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["doctor"]:  # works where packages are missing, too
        from neurotutor.doctor import main
    else:
        from neurotutor.cli import main
    sys.exit(main())
