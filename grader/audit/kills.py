"""Wrong work must lose points: misconceptions at the check meant for them, mutants anywhere; each check has a kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grader.audit.candidates import Candidate, Graded, misconceptions_text
from grader.audit.equivalents import Equivalent, load_equivalents
from grader.audit.mutants import Mutant
from grader.audit.topic import Complaint, MutantTally, TopicAudit
from grader.checks import Misconception
from grader.judge.diagnosis import TRANSFORMS
from grader.results import Verdict
from grader.worker import substitute

REFUSED = substitute.Refused.__name__  # the file of misconceptions does not run beside a submission
MOST_EQUIVALENT = 0.08  # of a topic's mutants
LEAST_KILLED = 0.98  # of the others
SLOWER = 10.0  # a mutant may use this many times the reference's CPU time
LEAST_CPU = 0.2  # seconds; a clock that ticks is no judge of less
BATCH = 24  # mutants that are tried at once against a check that nothing has failed yet


def misconceptions_die(audit: TopicAudit) -> Iterator[Complaint]:
    """Each misconception fails the check meant for it, where it is recognised as itself or a listed twin."""
    known = {i.name for i in audit.bench.items.get(audit.topic.name, [])}
    text, made = misconceptions_text(audit.course, audit.topic.name), []
    for number, m in enumerate(audit.misconceptions):
        if m.caught_by not in known:
            yield audit.complaint("misconceptions", m.id, f"no check '{m.caught_by}'", "name its check")
        elif m.caught_by in audit.names:
            meant = (m.caught_by,)
            made.append(_wrong(audit, str(number), audit.reference, meant, diagnose=meant, wrong=(text, number)))
    for name, graded in audit.grade(made).items():
        m = audit.misconceptions[int(name)]
        audit.kills.add(audit.kills.misconceptions, graded, m.id, m.caught_by)
        yield from _judged(audit, m, graded)


def _judged(audit: TopicAudit, m: Misconception, graded: Graded) -> Iterator[Complaint]:
    check = graded.checks[m.caught_by]
    refused = check.message.partition(f"{REFUSED}: ")[2]
    if refused:
        help = "take what it needs from the standard library, numpy or torch, or write it out"
        yield audit.complaint("misconceptions", m.id, refused, help)
    elif check.verdict is Verdict.PASS:
        problem = f"it lets a misconception pass: {m.id}, {m.sentence}"
        yield audit.complaint("misconceptions", m.caught_by, problem, "sharpen the check")
    elif check.diagnosis is None or check.diagnosis in TRANSFORMS:
        audit.undiagnosed.append(m.id)
        problem = f"{m.id} is not recognised at {m.caught_by} ({check.message or check.verdict})"
        help = "list those that fail alike as twins, or let the check compare a value in which they differ"
        yield audit.complaint("diagnosis", m.id, problem, help)
    elif check.diagnosis != m.id and check.diagnosis not in m.twins and check.advice != m.sentence:
        problem = f"it is taken for {check.diagnosis} at {m.caught_by}"
        yield audit.complaint("diagnosis", m.id, problem, "list the two as twins, or sharpen the check")


def _wrong(audit: TopicAudit, name: str, source: str, only: tuple[str, ...], **plan: Any) -> Candidate:
    return audit.candidate(name, source, only=only, second_look=False, cpu_seconds=_cpu(audit), **plan)


def _cpu(audit: TopicAudit) -> dict[str, float]:
    """CPU limits for what may loop for ever: a multiple of what the reference uses."""
    checks = audit.right["reference"].checks
    return {name: max(LEAST_CPU, SLOWER * c.seconds) for name, c in checks.items()}


def checks_kill(audit: TopicAudit) -> Iterator[Complaint]:
    """No check is without a kill: some misconception or mutant fails it."""
    _find_kills_by_misconceptions(audit)
    _find_kills_by_mutants(audit)
    for name in audit.names:
        if name not in audit.kills.proven:
            problem = "it demands nothing: no misconception or mutant fails it but by crashing"
            yield audit.complaint(
                "kills",
                name,
                problem,
                "assert a value or a property; or name it in the caught_by of a misconception",
            )


def _unkilled(audit: TopicAudit, function: str) -> tuple[str, ...]:
    return tuple(n for n in audit.names if n not in audit.kills.proven and audit.function_of(n) == function)


def _find_kills_by_misconceptions(audit: TopicAudit) -> None:
    """For checks that are nobody's `caught_by`: whatever else is wrong with the function they grade."""
    text, made = misconceptions_text(audit.course, audit.topic.name), []
    for number, m in enumerate(audit.misconceptions):
        only = _unkilled(audit, m.replaces)
        if only:
            made.append(_wrong(audit, str(number), audit.reference, only, wrong=(text, number)))
    for name, graded in audit.grade(made).items():
        audit.kills.add(audit.kills.misconceptions, graded, audit.misconceptions[int(name)].id)


def _find_kills_by_mutants(audit: TopicAudit) -> None:
    functions = sorted({audit.function_of(n) for n in audit.names if n not in audit.kills.proven})
    for function in functions:
        of_unit = [m for m in audit.mutants if m.unit == function.partition(".")[0]]
        others = [m for m in audit.mutants if m.unit != function.partition(".")[0]]
        queue = of_unit + others
        while queue and _unkilled(audit, function):
            batch, queue = queue[:BATCH], queue[BATCH:]
            made = [_wrong(audit, m.label, m.source, _unkilled(audit, function)) for m in batch]
            for name, graded in audit.grade(made).items():
                audit.kills.add(audit.kills.mutants, graded, name)


def mutants_die(audit: TopicAudit, parts: int = 1) -> Iterator[Complaint]:
    """Nearly every mutant of the reference loses points; the rest are equivalent, each listed with its reason."""
    listed = {e.key: e for e in load_equivalents(audit.course, audit.topic.name)}
    chosen = [m for m in audit.mutants if m.in_sample(parts)]
    if audit.only:
        units = {audit.function_of(n).partition(".")[0] for n in audit.names}
        chosen = [m for m in chosen if m.unit in units]
    made = {m.label: m for m in chosen}
    alive = [made[name] for name, graded in _graded_mutants(audit, chosen) if not graded.lost]
    audit.tally = MutantTally(
        made=len(chosen),
        killed=len(chosen) - len(alive),
        listed=sum(m.key in listed for m in chosen),
        survivors=tuple(m for m in alive if m.key not in listed),
    )
    if not audit.only:
        yield from _about_equivalents(audit, listed, alive, chosen)
        yield from _about_survivors(audit, parts)


def _graded_mutants(audit: TopicAudit, chosen: list[Mutant]) -> Iterator[tuple[str, Graded]]:
    candidates = [_wrong(audit, m.label, m.source, audit.only, first=m.unit, stop=not audit.only) for m in chosen]
    for name, graded in audit.grade(candidates).items():
        audit.kills.add(audit.kills.mutants, graded, name)
        yield name, graded


def _about_equivalents(
    audit: TopicAudit, listed: dict[tuple[str, str, int], Equivalent], alive: list[Mutant], chosen: list[Mutant]
) -> Iterator[Complaint]:
    alive_keys, known = {m.key for m in alive}, {m.key for m in audit.mutants}
    for key in listed:
        where = f"{key[0]}: {key[1]}" + (f" (place {key[2]})" if key[2] > 1 else "")
        if key not in known:
            yield audit.complaint("equivalents", "", f"no such mutant: {where}", "strike it from the list")
        elif key in {m.key for m in chosen} and key not in alive_keys:
            problem = f"a check kills what is listed as equivalent: {where}"
            yield audit.complaint("equivalents", "", problem, "strike it from the list")
    if len(listed) > max(1, MOST_EQUIVALENT * len(audit.mutants)):
        problem = f"{len(listed)} of {len(audit.mutants)} mutants are listed as equivalent"
        yield audit.complaint("equivalents", "", problem, "kill some, or write the reference more plainly")


def _about_survivors(audit: TopicAudit, parts: int) -> Iterator[Complaint]:
    """Of all mutants a few may survive; of a sample, which says little about shares, none."""
    assert audit.tally is not None
    if audit.tally.survivors and (parts > 1 or audit.tally.share < LEAST_KILLED):
        for m in audit.tally.survivors:
            place = f"solutions/{audit.topic.name}.py:{m.line}"
            problem = f"no check kills the mutant {m.label} ({place})"
            help = "sharpen a check, or list it in tests/hidden/equivalents with its reason"
            yield audit.complaint("mutants", m.where, problem, help)


def fill_matrix(audit: TopicAudit) -> None:
    """Every misconception against every check: the slow part, for the eye of an author."""
    audit.kills.misconceptions.clear()
    text = misconceptions_text(audit.course, audit.topic.name)
    made = [
        _wrong(audit, str(number), audit.reference, audit.only, wrong=(text, number))
        for number in range(len(audit.misconceptions))
    ]
    for name, graded in audit.grade(made).items():
        audit.kills.add(audit.kills.misconceptions, graded, audit.misconceptions[int(name)].id)
