"""``python -m ctxpolicy``."""

from ctxpolicy._cli.sys_path import ours_first

with ours_first():
    from ctxpolicy._cli.main import start

if __name__ == "__main__":
    start()  # the last statement: a program that is run then has this namespace to itself
