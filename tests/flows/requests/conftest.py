"""Fixtures of the tests of flows/requests."""

from tests.helpers.ledgers import empty_sqlite, ledger, postgresql, url  # noqa: F401 - found by every test here
