"""The command ``python -m ctxpolicy``."""

from ctxpolicy._cli.sys_path import program_folder_last

with program_folder_last():
    from ctxpolicy._cli.main import start

if __name__ == "__main__":
    start()  # the last statement, because a program under `run` replaces this namespace
