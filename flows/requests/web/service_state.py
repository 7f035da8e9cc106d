"""What the API and the pages work on: the project, its ledger, the browsers that are logged in, the search for look-alikes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request

from flows.requests.ledger.ledger import Ledger
from flows.requests.web.access import Sessions

if TYPE_CHECKING:
    from flows.requests.resolving.lookalikes import LookalikeSearch


@dataclass(frozen=True)
class ServiceState:
    """The project of a server, its open ledger, and its sessions."""

    root: Path
    ledger: Ledger
    sessions: Sessions = field(default_factory=Sessions)

    @cached_property
    def lookalikes(self) -> "LookalikeSearch":
        """The search for look-alikes, which imports PyTorch and keeps features in memory: made when it is first asked."""
        from flows.requests.resolving.lookalikes import LookalikeSearch

        return LookalikeSearch(self.root)


def state_of(request: Request) -> ServiceState:
    """The state of the server that answers."""
    state = request.app.state.service
    assert isinstance(state, ServiceState)
    return state
