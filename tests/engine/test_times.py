"""Times are moments: read with their zone, counted in UTC, and said where a clock leaves a doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from grader.course import times
from grader.grading.scoring import late_days

BERLIN_FORWARD, BERLIN_BACK = "2027-03-28", "2026-10-25"  # the clocks go from 2 to 3, and from 3 to 2


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T18:00:00+01:00", "2026-11-20T17:00:00"),
        ("2026-11-20 18:00 Europe/Berlin", "2026-11-20T17:00:00"),
        ("2026-07-20t18:00:00.5 Europe/Berlin", "2026-07-20T16:00:00.5"),
        ("2026-11-20T18:00Z", "2026-11-20T18:00:00"),
        ("2026-11-20 18:00 -0330", "2026-11-20T21:30:00"),
        (f"{BERLIN_FORWARD} 01:59:59 Europe/Berlin", "2027-03-28T00:59:59"),
        (f"{BERLIN_FORWARD} 03:00 Europe/Berlin", "2027-03-28T01:00:00"),
    ],
)
def test_a_time_with_its_zone(text, moment):
    """Offsets and the names of the tz database, in summer and winter, without a word to say."""
    assert (utc(moment), "") == (times.read(text).time.astimezone(UTC), times.read(text).note)
    assert times.time_of(text) == utc(moment)


def test_a_time_that_does_not_exist_is_refused():
    """While the clocks are put forward there is no half past two."""
    with pytest.raises(ValueError, match="02:30 does not exist in Europe/Berlin, where the clocks are put forward"):
        times.read(f"{BERLIN_FORWARD} 02:30 Europe/Berlin")


def test_of_an_hour_that_comes_twice_the_later_one_counts():
    """So that nobody is late by a guess; and it is said."""
    found = times.read(f"{BERLIN_BACK} 02:30 Europe/Berlin")

    assert utc("2026-10-25T01:30:00") == found.time.astimezone(UTC)
    assert "2026-10-25 02:30 comes twice in Europe/Berlin; the later one counts" == found.note


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-12:00", "0001-01-01 00:00 Asia/Tokyo",
     "9999-12-31 23:59 America/New_York"],
)  # fmt: skip
def test_a_time_beyond_the_calendar_is_refused(text):
    """What has no UTC cannot be compared with anything."""
    with pytest.raises(ValueError, match="lies beyond the calendar"):
        times.read(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-20T18:00:00", "a time has its zone"),
        ("2026-11-20", "a time has its zone"),
        ("2026-11-20 18:00 CET", "a time has its zone"),
        ("2026-02-30T18:00Z", "day is out of range"),
        ("2026-11-20 18:00 Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("2026-11-20 18:00 Europe/../Berlin", "no time zone|a time has its zone"),
        ("2026-11-20T18:00+25:00", "offset"),
        ("", "a time has its zone"),
    ],
)
def test_what_is_no_time_is_refused(text, words):
    """A guess would cost somebody points."""
    with pytest.raises(ValueError, match=words):
        times.read(text)


# --- nbgrader's timestamps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20 18:00:00.123456 UTC", "2026-11-20T18:00:00.123456"),
        ("2026-11-20 18:00:00", "2026-11-20T18:00:00"),
        ("2026-11-20T18:00:00.5\n", "2026-11-20T18:00:00.5"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("2026-11-20 18:00:00 CET", "2026-11-20T17:00:00"),
        ("2026-07-20 18:00:00 CET", "2026-07-20T16:00:00"),
        ("2026-07-20 18:00:00 CEST", "2026-07-20T16:00:00"),
        ("2026-11-20 18:00:00 EST", "2026-11-20T23:00:00"),
        ("2015-02-02 15:58:23.948203 PST", "2015-02-02T23:58:23.948203"),
        ("2026-07-20 18:00:00 EDT", "2026-07-20T22:00:00"),
        ("2026-11-20 18:00:00 EST5EDT", "2026-11-20T23:00:00"),
        ("2026-11-20 18:00:00 GMT", "2026-11-20T18:00:00"),
        ("2026-11-20 18:00:00 Europe/Berlin", "2026-11-20T17:00:00"),
        ("2026-11-20 18:00:00 +0100", "2026-11-20T17:00:00"),
    ],
)
def test_timestamps_of_nbgrader(text, moment):
    """As `nbgrader submit` and people write them: a zone's name or none, which is UTC."""
    assert times.read_timestamp(text).time.astimezone(UTC) == utc(moment)


@pytest.mark.parametrize("zone", ["UTC", "CET", "EST", "GMT", "EST5EDT", "Europe/Berlin", ""])
@pytest.mark.parametrize("day", ["2026-01-15", "2026-07-15"])
def test_timestamps_are_what_nbgrader_takes_them_for(zone, day):
    """Where nbgrader knows the zone."""
    parse_utc = pytest.importorskip("nbgrader.utils").parse_utc
    text = f"{day} 18:00:00.25 {zone}".strip()

    assert parse_utc(text) == times.read_timestamp(text).time.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-20 18:00:00 CST", "2026-11-20 18:00:00 ../etc", "2026-13-20", "",
                                  "2026-11-20 18:00:00 XYZ"])  # fmt: skip
def test_timestamps_in_doubt_are_refused(text):
    """A zone that nobody knows, or that several places call theirs."""
    with pytest.raises(ValueError):
        times.read_timestamp(text)


# --- lateness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("submitted", ["2027-03-29T00:30:00 Europe/Berlin", "2027-03-28T22:30:00Z"])
def test_a_day_is_24_hours_whatever_the_clocks_do(submitted):
    """The night in which the clocks are put forward is no day late, however the time is written."""
    due = times.time_of("2027-03-27T23:59:00 Europe/Berlin")

    assert 1 == late_days(times.time_of(submitted), due, 0)
    assert 0 == late_days(times.time_of(submitted), due, 24)


def test_the_hour_that_comes_twice_is_no_hour_late():
    """Two moments of one zone and one clock time, an hour apart."""
    due = times.time_of(f"{BERLIN_BACK} 02:30 Europe/Berlin")

    assert 0 == late_days(due.replace(fold=0), due, 0)
    assert 1 == late_days(due, due.replace(fold=0), 0)
    assert 0 == late_days(due, due.replace(fold=0) - timedelta(0), 1)
