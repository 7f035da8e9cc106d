"""What the API and the pages work on: the project, its ledger, the browsers that are logged in."""

from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from flows.requests.ledger.ledger import Ledger
from flows.requests.web.access import Sessions


@dataclass(frozen=True)
class ServiceState:
    """The project of a server, its open ledger, and its sessions."""

    root: Path
    ledger: Ledger
    sessions: Sessions = field(default_factory=Sessions)


def state_of(request: Request) -> ServiceState:
    """The state of the server that answers."""
    state = request.app.state.service
    assert isinstance(state, ServiceState)
    return state
