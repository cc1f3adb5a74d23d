"""The summary on a terminal: a class worst first, one student with the next step last, where the eye rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median

from grader.results import CapstoneResult, CheckResult, Report, SubmissionResult, TopicResult, Verdict
from grader.text import printable, words_of

HINT = "hint: "  # how a line of a message begins that is the same for all checks of a function
MAX_LINES = 3000  # characters of a message of several lines, each of which is bounded
Paint = Callable[[str, str], str]  # (text, colour) -> text


def points(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def render(report: Report, paint: Paint, verbose: bool = False) -> str:
    """The lines of the summary; colour only repeats what the words say."""
    if not report.submissions:
        lines = ["nothing was graded"]
    elif len(report.submissions) == 1:
        lines = list(_one(report.submissions[0], paint, verbose))
    else:
        lines = list(_class(report, paint))
    if report.unfinished:
        lines.append(paint(f"{len(report.unfinished)} not finished, as the run was stopped", "magenta"))
    return "\n".join(lines) + "\n"


# --- a class ---------------------------------------------------------------------------------------------------------


def _class(report: Report, paint: Paint) -> Iterator[str]:
    ordered = sorted(report.submissions, key=lambda s: (not s.faults, s.final, s.student))
    width = max((len(printable(s.student)) for s in ordered), default=7)
    for result in ordered:
        yield _class_line(result, width, paint)
    totals = [s.final for s in ordered if not s.faults]
    yield ""
    if totals:
        full = sum(s.final >= s.max_points for s in ordered if not s.faults)
        best = points(max(s.max_points for s in ordered))
        yield f"{len(ordered)} submissions, {full} with full marks, median {points(median(totals))} of {best}"
    unread = [s for s in ordered if any(t.unreadable for t in s.topics)]
    if unread:
        yield paint(f"{len(unread)} handed in what could not be read: no mark was given for that", "magenta")
    broken = [s for s in ordered if s.is_faulty]
    if broken:
        yield paint(
            f"{len(broken)} could not be graded in full; that is the grader's fault, not theirs: no mark was given",
            "magenta",
        )


def _class_line(result: SubmissionResult, width: int, paint: Paint) -> str:
    total = f"{'?' if result.faults else points(result.final):>7} / {points(result.max_points)}"
    late = f"  {result.late_days} d late (-{points(result.penalty)})" if result.late_days else ""
    absent = [t for t in result.topics if t.file is None and not t.faults]
    counts = Counter(c.verdict for t in result.topics if t not in absent and not t.unreadable for c in t.checks)
    words = [f"{n} {v.mark}" for v, n in counts.items() if v is not Verdict.PASS]
    closed = [t for t in result.topics if t.unreadable]
    words += [f"not graded: {', '.join(t.topic for t in closed)} ({closed[0].unreadable})"] if closed else []
    missed = [t.topic for t in result.topics if t.capstone and not t.capstone.reached]
    words += [f"capstone not reached: {', '.join(missed)}"] if missed else []
    words += [f"{len(absent)} of {len(result.topics)} topics not handed in"] if absent else []
    colour = "magenta" if result.faults else "green" if not words else "red"
    return (
        f"{printable(result.student):<{width}}  {paint(total, colour)}{late}  {', '.join(words) or 'all checks pass'}"
    )


# --- one student -----------------------------------------------------------------------------------------------------


def _one(result: SubmissionResult, paint: Paint, verbose: bool) -> Iterator[str]:
    handed_in = [t for t in result.topics if t.file is not None]
    for topic in result.topics if verbose else handed_in:
        yield from _topic(topic, paint, verbose)
        yield ""
    absent = [t.topic for t in result.topics if t.file is None]
    if absent and not verbose:
        yield f"not handed in: {', '.join(absent)}"
    notes = [*result.notes, *(n for topic in result.topics for n in topic.notes)]
    for note in dict.fromkeys(notes):
        yield f"note: {printable(note)}"
    late = f", {result.late_days} days late (-{points(result.penalty)})" if result.late_days else ""
    yield f"total: {points(result.final)} of {points(result.max_points)}{late}"
    yield from _next_step(result, paint)


def _topic(topic: TopicResult, paint: Paint, verbose: bool) -> Iterator[str]:
    if topic.unreadable:
        yield paint(f"{topic.topic}: not graded: {printable(topic.unreadable)}", "bold")
        return
    yield paint(f"{topic.topic}: {points(topic.points)} of {points(topic.max_points)}", "bold")
    if topic.capstone:
        yield from _capstone(topic.capstone, paint)
    missing = [c for c in topic.checks if c.verdict is Verdict.MISSING]
    told: set[str] = set()
    if verbose:
        for check in topic.checks:
            yield from _check(check, paint, told)
    else:
        for group in _by_cause(topic):
            yield from _group(group, paint, told)
    if missing and not verbose:
        names = dict.fromkeys(c.function for c in missing)
        yield f"  {paint('missing', 'yellow')}  {len(missing)} checks of what is not written yet: {', '.join(names)}"
        asked = dict.fromkeys(c.message for c in missing if "did you mean" in c.message)
        yield from (f"           {line}" for line in map(printable, asked))


def _capstone(capstone: CapstoneResult, paint: Paint) -> Iterator[str]:
    mark = paint(f"{'ok' if capstone.reached else 'wrong':<9}", "green" if capstone.reached else "red")
    yield f"  {mark}capstone: {'gate reached' if capstone.reached else 'gate not reached'}  ({_worth(capstone)})"
    for f in capstone.figures:
        value = "not a number" if f.value is None else f"{f.value:.4g}"
        yield f"           {f.name}: {value} (gate {f.low:g} to {f.high:g}{'' if f.reached else ': not reached'})"
    for line in words_of(capstone.message).splitlines():
        yield f"           {line}"


def _worth(capstone: CapstoneResult) -> str:
    return f"{points(capstone.points)}/{points(capstone.max_points)}"


def _by_cause(topic: TopicResult) -> list[list[CheckResult]]:
    """Failed checks, those with one explanation together: one slip reads as one slip, however many checks met it."""
    groups: dict[str, list[CheckResult]] = {}
    for check in topic.checks:
        if check.verdict not in (Verdict.PASS, Verdict.MISSING):
            loading = f"{check.verdict} {check.message}" if "does not load" in check.message else check.id
            groups.setdefault(check.advice or loading, []).append(check)
    return list(groups.values())


def _group(group: list[CheckResult], paint: Paint, told: set[str]) -> Iterator[str]:
    """The first check of a group in full, the others by title."""
    yield from _check(group[0], paint, told)
    if len(group) > 1:
        lost = points(sum((c.max_points or 0) - (c.points or 0) for c in group))
        units = ", ".join(dict.fromkeys(c.function for c in group))
        yield f"           the same in {len(group) - 1} more checks of {units} ({lost} points in all; -v lists them)"


def _check(check: CheckResult, paint: Paint, told: set[str]) -> Iterator[str]:
    """A check with what is known of it; a hint is `told` once a topic."""
    mark = paint(f"{check.verdict.mark:<9}", check.verdict.colour) + (" " if len(check.verdict.mark) >= 9 else "")
    value = f"  ({points(check.points or 0)}/{points(check.max_points or 0)})" if check.max_points is not None else ""
    yield f"  {mark}{check.function}: {check.title}{value}"
    for line in [*words_of(check.advice or "").splitlines(), *words_of(check.message, MAX_LINES).splitlines()]:
        if line not in told:
            yield f"           {line}"
        if line.startswith(HINT):
            told.add(line)


def _next_step(result: SubmissionResult, paint: Paint) -> Iterator[str]:
    """The first thing to mend, in the order of the course: what is wrong before what is missing."""
    checks = [c for t in result.topics if t.file is not None for c in t.checks]
    wrong = [c for c in checks if c.verdict.to_mend]
    own = [c for c in wrong if not c.follow_through]  # what is right given earlier functions mends itself
    todo = own or wrong or [c for c in checks if c.verdict is Verdict.MISSING]
    closed = [t for t in result.topics if t.unreadable]
    if closed:
        yield paint(f"next: hand in {closed[0].topic} again: {printable(closed[0].unreadable or '')}", "bold")
    elif todo:
        check = todo[0]
        topic = check.id.split("::")[0]
        verb = "look at" if wrong else "write"
        yield paint(f"next: {verb} {check.function or topic} in {topic}.py: {check.title}", "bold")
    elif faults := [c for c in checks if c.verdict is Verdict.GRADER_FAULT]:
        topic = faults[0].id.split("::")[0]
        yield paint(f"next: nothing for the student; whoever runs the course mends the checks of {topic}", "bold")
    elif checks:
        yield paint("all checks pass", "green")
        for topic in (t.topic for t in result.topics if t.capstone and not t.capstone.reached):
            yield paint(f"next: grade capstone {topic} shows what its training comes to", "bold")
    elif result.topics:
        yield paint(
            f"next: write {result.topics[0].topic}.py; its stub is exercises/{result.topics[0].topic}.py", "bold"
        )
