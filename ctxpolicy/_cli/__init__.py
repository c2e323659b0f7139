"""The command line, ``python -m ctxpolicy``: its subcommands and their options."""
