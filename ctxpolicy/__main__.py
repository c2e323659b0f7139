"""``python -m ctxpolicy``."""

import sys

from ctxpolicy._cli import main

if __name__ == "__main__":
    status = main()
    if status:  # not exit(0): python -i would show it as an error
        sys.exit(status)
