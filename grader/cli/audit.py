"""`grade audit`: the course proves itself. Prints the kill matrix, and every broken rule with its next step."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from grader.audit.kills import fill_matrix
from grader.audit.rules import complaints as broken_rules
from grader.audit.topic import Complaint, MutantTally, TopicAudit, collect
from grader.course import Course
from grader.errors import UsageError
from grader.grading.engine import make_engine


@dataclass(frozen=True)
class AuditOptions:
    """The options of `grade audit`: `sample` N tries one mutant in N, 0 none and 1 all."""

    check: str = ""
    sample: int = 0
    as_json: bool = False
    verbose: bool = False


def run(course: Course, topics: list[str], options: AuditOptions) -> int:
    """Audit and print; 0 when every rule is kept, else 1."""
    engine = make_engine(course, topics, seed=course.seed)
    found: list[tuple[TopicAudit, list[Complaint]]] = []
    try:
        judge = collect(course, topics)
        for name in topics:
            audit = TopicAudit(judge, course.topic(name), engine, options.check)
            if options.check and not audit.items:
                continue
            complaints = list(broken_rules(audit, options.sample))
            if options.verbose:
                fill_matrix(audit)
            found.append((audit, complaints))
            if not options.as_json:
                print(text_of(audit, complaints), flush=True)
    finally:
        engine.close()
    if not found:
        raise UsageError(f"no check '{options.check}' in {', '.join(topics)}", "--check", "see grade list")
    if options.as_json:
        print(json.dumps({"topics": [data_of(*one) for one in found]}, indent=1))
    return 1 if any(complaints for _, complaints in found) else 0


# --- for people ------------------------------------------------------------------------------------------------------


def text_of(audit: TopicAudit, complaints: list[Complaint]) -> str:
    """The verdict on a topic, its kill matrix and what to do next."""
    lines = [summary(audit, complaints), *matrix(audit)]
    for complaint in complaints:
        lines += [f"  {complaint.where}: {complaint.problem}", f"      next: {complaint.help}"]
    return "\n".join(lines)


def summary(audit: TopicAudit, complaints: list[Complaint]) -> str:
    count, quiet = len(audit.misconceptions), len(audit.undiagnosed)
    verdict = "sound" if not complaints else f"{len(complaints)} rule(s) broken"
    parts = [
        f"{len(audit.items)} checks",
        f"{len(audit.variants)} variants",
        f"{count} misconceptions, {count - quiet} of them recognised by name",
    ]
    if audit.tally is not None:
        parts.append(_about_mutants(audit.tally))
    return f"{audit.topic.name}: {verdict}; {', '.join(parts)}"


def _about_mutants(tally: MutantTally) -> str:
    listed = f"{tally.listed} listed as equivalent"
    return f"{tally.killed} of {tally.made} mutants killed, {listed} ({tally.share:.1%} of the rest)"


def matrix(audit: TopicAudit) -> list[str]:
    """A line for each check: the misconceptions that fail it, and how many mutants."""
    width = max((len(name) for name in audit.names), default=0)
    lines = []
    for name in audit.names:
        ids = " ".join(sorted(set(audit.kills.misconceptions[name]), key=_by_number))
        mutants = len(audit.kills.mutants[name])
        killed = ", ".join(part for part in (ids, f"{mutants} mutant(s)" if mutants else "") if part)
        lines.append(f"  {name:<{width}}  {killed or '(nothing)'}")
    return lines


def _by_number(id: str) -> tuple[str, int]:
    word = id.rstrip("0123456789")
    return word, int(id[len(word) :] or 0)


# --- for programs ----------------------------------------------------------------------------------------------------


def data_of(audit: TopicAudit, complaints: list[Complaint]) -> dict[str, Any]:
    """The same as data: lists of complaints, the kill matrix, mutants and margins."""
    return {
        "topic": audit.topic.name,
        "sound": not complaints,
        "complaints": [asdict(c) for c in complaints],
        "checks": [
            {
                "check": name,
                "function": audit.function_of(name),
                "misconceptions": sorted(set(audit.kills.misconceptions[name]), key=_by_number),
                "mutants": audit.kills.mutants[name],
                "margin": audit.smallest_margin(name),
            }
            for name in audit.names
        ],
        "undiagnosed": audit.undiagnosed,
        "mutants": None if audit.tally is None else _tally(audit.tally),
    }


def _tally(tally: MutantTally) -> dict[str, Any]:
    survivors = [
        {"where": m.where, "line": m.line, "kind": m.operator, "change": m.change, "nth": m.nth}
        for m in tally.survivors
    ]
    return {"made": tally.made, "killed": tally.killed, "equivalent": tally.listed, "survivors": survivors}
