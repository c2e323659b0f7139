"""``python -m ctxpolicy``."""

from ctxpolicy._cli.sys_path import ours_first

with ours_first():
    from ctxpolicy._cli.main import start

if __name__ == "__main__":
    start()  # and nothing after it: a program that is run has this namespace to itself
