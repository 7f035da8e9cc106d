"""When a request is due: 30 days, never later than one month after its receipt; 60 more, within three months (GDPR 12(3))."""

import calendar
from datetime import datetime, timedelta

from aru.core.errors import InputError

DAYS, MORE_DAYS = 30, 60
"""The default time limit, and the most that an extension adds."""
_MONTHS, _MORE_MONTHS = 1, 3
"""What the law allows, counted from the receipt."""


def due_date(received: datetime, days: int = DAYS) -> datetime:
    """`days` after the receipt, but within one month of it: of a request of 31 January that is the end of February.

    Raises InputError for days below 1 or above 45, the longest first period of the laws known here (California's).
    """
    if not 1 <= days <= 45:
        raise InputError(f"a time limit of {days} days: give 1 to 45; an extension is a step of its own (aru request extend)")
    due = received + timedelta(days=days)
    return min(due, months_later(received, _MONTHS)) if days <= DAYS else due


def latest_due(received: datetime, first_due: datetime) -> datetime:
    """The end of the longest extension: 60 days more, but within three months of the receipt."""
    return min(first_due + timedelta(days=MORE_DAYS), months_later(received, _MORE_MONTHS))


def months_later(time: datetime, months: int) -> datetime:
    """The same day and time some months later, or that month's last day where it has no such day (Regulation 1182/71)."""
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    day = min(time.day, calendar.monthrange(year, month + 1)[1])
    return time.replace(year=year, month=month + 1, day=day)
