"""``python -m ctxpolicy``."""

from ctxpolicy._search_path import ours_first

with ours_first():
    from ctxpolicy._cli import start

if __name__ == "__main__":
    start()  # and nothing after it: a program that is run has this namespace to itself
