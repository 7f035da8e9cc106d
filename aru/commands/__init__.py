"""What `python -m aru` runs: a thin module a command, over the rooms above; PyTorch is imported only where it runs.

Each has `add_arguments(parser)` and `run(options)`, which returns the exit code. Errors are caught in `aru.__main__`.
"""
