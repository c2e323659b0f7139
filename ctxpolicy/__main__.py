"""``python -m ctxpolicy``."""

import sys

from ctxpolicy._cli import main

if __name__ == "__main__":
    _status = main()
    if _status:  # not exit(0): python -i would show it as an error
        sys.exit(_status)
