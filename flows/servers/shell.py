"""`eval "$(python -m flows.servers.shell)"`: the project's environment for what is started by hand.

It holds the login of the project's Prefect servers: not to be shown, nor kept where others read.
"""

import os
import shlex
from pathlib import Path

from flows.project.environment import settings
from flows.project.folder import find_project
from flows.servers.api_server import HOST, PORT
from flows.servers.local_servers import client, users_own


def exports(root: Path) -> list[str]:
    """A line for each variable; what is set already stays as it is."""
    lacking = settings(root) | client(root, users_own() or f"http://{HOST}:{PORT}/api")
    return [f"export {name}={shlex.quote(value)}" for name, value in lacking.items() if name not in os.environ]


if __name__ == "__main__":
    print("\n".join(exports(find_project(Path.cwd()))))
