"""Time limits: 30 days and one month, 60 more and three months, counted as pandas counts calendar months."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.requests.ledger.deadlines import due_date, latest_due, months_later

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(received=TIMES, months=st.integers(0, 40))
def test_a_month_later_is_the_same_day_or_the_months_last(received: datetime, months: int) -> None:
    expected = pd.Timestamp(received) + pd.DateOffset(months=months)
    assert months_later(received, months) == expected.to_pydatetime()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(received=TIMES, days=st.integers(1, 45))
def test_limits_never_pass_what_the_law_allows(received: datetime, days: int) -> None:
    due = due_date(received, days)
    assert received < due <= received + timedelta(days=days)
    assert days > 30 or due <= months_later(received, 1)
    latest = latest_due(received, due)
    assert due < latest <= min(due + timedelta(days=60), months_later(received, 3))


@pytest.mark.parametrize(
    "received, due, latest",
    [
        ("2026-01-31", "2026-02-28", "2026-04-29"),
        ("2028-01-31", "2028-02-29", "2028-04-29"),
        ("2026-03-31", "2026-04-30", "2026-06-29"),
        ("2026-07-15", "2026-08-14", "2026-10-13"),
        ("2026-12-01", "2026-12-31", "2027-03-01"),
    ],
)
def test_worked_examples(received: str, due: str, latest: str) -> None:
    first, second, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (received, due, latest))
    assert (due_date(first), latest_due(first, second)) == (second, last)
