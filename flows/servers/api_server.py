"""`python -m flows.servers.api_server [--root FOLDER] [--port 4200]`: Prefect's server for this machine alone.

Prefect by itself answers any name of a host, any page that a browser has open, and anybody. A page from elsewhere could
read what runs, change it and, where a worker is about, have commands run. Here a request must name this machine, must not
come from a page of another origin, and must bear the project's login; only the health of the server is answered without it.
"""

import argparse
import os
from pathlib import Path

import aru.core.rare_collection  # noqa: F401 - before all that is slow to import
from flows.project.environment import prepare_environment
from flows.project.folder import find_project
from flows.servers.login import login

HOST, PORT = "127.0.0.1", 4200


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m flows.servers.api_server")
    parser.add_argument("--root", type=Path, help="the project; the one that the working directory is in without it")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    serve(options.root or find_project(Path.cwd()), options.port)


def serve(root: Path, port: int) -> None:
    """Serve a project's database on 127.0.0.1. To be called before prefect is imported: it reads the environment then."""
    prepare_environment(root)
    os.environ |= locks(root, port)
    import uvicorn
    from prefect.server.api.server import create_app

    from flows.servers.origins import guard

    uvicorn.run(guard(create_app(final=True)), host=HOST, port=port, log_level="warning")


def locks(root: Path, port: int) -> dict[str, str]:
    """Prefect's own settings for who may ask. The pages find the API where they themselves came from."""
    return {
        "PREFECT_SERVER_API_AUTH_STRING": login(root),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
        "PREFECT_UI_API_URL": "/api",
    }


if __name__ == "__main__":
    main()
