"""Moments as people, LMSs and nbgrader write them, each with the zone that makes it one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

WANTS_ZONE = "a time has its zone, like 2026-11-20T18:00:00+01:00"
_CLOCK = r"(\d{4}-\d\d-\d\d[ tT]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)"
_OFFSET = r"[+-]\d\d(?::?\d\d)?"
_TIME = re.compile(rf"{_CLOCK}\s*(Z|z|UTC|{_OFFSET}|[A-Z]\w+/[\w/+-]+)")
_STAMP = re.compile(rf"{_CLOCK}(?:\s*(Z|z|{_OFFSET}|[A-Za-z][\w/+-]+))?")
_HOURS = {  # from UTC, of zones that `date` and Python name so and the tz database does not; CST, IST, BST are several
    "CEST": 2, "EEST": 3, "WEST": 1, "MEST": 2, "MEZ": 1, "MESZ": 2, "EDT": -4, "CDT": -5, "MDT": -6, "PDT": -7,
    "PST": -8, "AKST": -9, "AKDT": -8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A moment with its zone, and what there is to say of how it was read."""

    time: datetime
    note: str = ""


def time_of(text: str) -> datetime:
    """A moment with its zone, as people and LMSs write it; raises `ValueError`."""
    return read(text).time


def read(text: str) -> Read:
    """The same with what is to be said of it; raises `ValueError`, also where no clock there shows that time.

    Of an hour that comes twice the later one counts, as nobody shall be late by a guess.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(WANTS_ZONE)
    return _placed(datetime.fromisoformat(found[1]), found[2])


def read_timestamp(text: str) -> Read:
    """A moment in one of the forms that nbgrader takes: `2026-11-20 18:00:00.0 CET`, without a zone in UTC.

    Raises `ValueError`, also for a zone's short name that several places call theirs.
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text += " 00:00"
    found = _STAMP.fullmatch(text)
    if found is None:
        raise ValueError("a timestamp is a time with its zone, like 2026-11-20 18:00:00 UTC")
    return _placed(datetime.fromisoformat(found[1]), found[2] or "UTC")


def in_utc(time: datetime) -> datetime:
    """The moment in UTC, where times are counted: those of one zone are subtracted by their clocks, changes or no.

    Raises `ValueError` where it lies beyond the calendar.
    """
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{time.replace(tzinfo=None)} lies beyond the calendar") from None


def _placed(clock: datetime, name: str) -> Read:
    """The moment at which a clock in a zone shows this."""
    zone = _zone(name)
    early, late = clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)
    first, last = in_utc(early), in_utc(late)
    if first == last:
        return Read(early)
    shown = f"{clock:%Y-%m-%d %H:%M}"
    if last < first:  # the two readings of a time that was left out lie the wrong way round
        raise ValueError(f"{shown} does not exist in {name}, where the clocks are put forward then")
    return Read(late, f"{shown} comes twice in {name}; the later one counts")


def _zone(name: str) -> tzinfo:
    if name in ("Z", "z", "UTC"):
        return UTC
    if name[0] in "+-":
        minutes = 60 * int(name[1:3]) + int(name[3:].lstrip(":") or 0)
        if minutes >= 24 * 60 or int(name[3:].lstrip(":") or 0) >= 60:
            raise ValueError(f"no offset '{name}'")
        return timezone(timedelta(minutes=-minutes if name[0] == "-" else minutes))
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name]), name)
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError):
        raise ValueError(f"no time zone '{name}'") from None
