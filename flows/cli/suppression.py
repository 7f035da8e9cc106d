"""`aru suppression`: the list of people and photos that no import brings back."""

from collections import Counter

import typer

from flows.cli.context import enter_project

commands = typer.Typer(
    name="suppression", help="Look at the list that keeps forgotten people out, and replace its key.", no_args_is_help=True
)


@commands.command()
def show() -> None:
    """Count the entries by their kinds, and check that the key file is theirs."""
    from aru.core.names import SUPPRESSION_FILE
    from aru.data.suppression.keyed_hashes import key_path, read_keys
    from aru.data.suppression.suppression_list import KINDS, read_list

    root = enter_project()
    suppressed = read_list(root / SUPPRESSION_FILE)
    count = Counter(entry.kind for entry in suppressed.entries)
    if not suppressed.entries:
        print("nobody is on the list")
        return
    suppressed.check(read_keys(key_path(root)))
    requests = len({entry.request for entry in suppressed.entries})
    print(f"{len(suppressed.entries)} entries of {requests} requests, under the keys {suppressed.keys}")
    for kind in KINDS:
        print(f"  {kind}: {count[kind]}")


@commands.command()
def rotate() -> None:
    """Put every entry under a further key: whoever has copied the key file before can do nothing with the new list."""
    from flows.requests.suppression.entering import rotate as replace_keys

    suppressed, keys = replace_keys(enter_project())
    print(f"{len(suppressed.entries)} entries are under the keys {keys.id}: commit suppression.jsonl, copy the key file")


@commands.command()
def lift(request: str = typer.Argument(metavar="REQUEST", help="The request whose entries go.")) -> None:
    """Take a request's entries off the list, as when the person consents anew."""
    from flows.requests.suppression.entering import lift as take_off

    print(f"{take_off(enter_project(), request)} entries are off the list: commit suppression.jsonl")
