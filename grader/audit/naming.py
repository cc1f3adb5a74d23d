"""How true the diagnoses are: slips are drawn, graded as submissions, and each sentence is tried on other seeds.

A sentence is true if its mistake alone, put into the reference, gives the submission's values at every comparison of
the checks of that function, under three seeds that were not graded; of a submission with two slips, the values of the
one with the other slip mended.
"""

from __future__ import annotations

import ast
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from grader.audit.candidates import Candidate, Graded, misconceptions_text
from grader.audit.topic import TopicAudit
from grader.checks import CheckFailed, Misconception, Seen
from grader.checks.comparing import going_on
from grader.course.units import units_of
from grader.jobs import Plan
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.bench import Bench
from grader.judge.diagnosis import TRANSFORMS
from grader.judge.transforms import SENTENCES, put_ins
from grader.judge.values import same
from grader.remote.inmemory import InMemoryConnection
from grader.remote.session import Session, StudentError
from grader.results import CheckResult, Verdict

SEEDS = (9_000_001, 9_000_002, 9_000_003)  # of no term
MOST_ALIKE = 0.1  # of the slips may get one sentence; one that fits more says nothing
SECONDS = 20  # for one check of a slip that may never end

Trace = list[tuple[str, Any]]


@dataclass(frozen=True)
class Slip:
    """A wrong version of one unit: a mutant's text, or the number of a misconception."""

    label: str
    unit: str
    source: str | None = None
    line: int = 0
    number: int | None = None


@dataclass(frozen=True)
class Wrong:
    """A submission with one slip, or with two in different units."""

    slips: tuple[Slip, ...]
    source: str
    number: int | None

    @property
    def label(self) -> str:
        return " + ".join(s.label for s in self.slips)


@dataclass
class Naming:
    """What came of it: of submissions that lost points, how many were told what, and the sentences that are false."""

    submissions: int = 0
    harmless: int = 0  # of them; they lost no points
    named: int = 0  # the function that is wrong
    placed: int = 0  # its line, or its mistake
    sentences: int = 0
    false: list[str] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)  # how many submissions got a sentence

    @property
    def lossy(self) -> int:
        return self.submissions - self.harmless

    @property
    def precision(self) -> float:
        return 1 - len(self.false) / self.sentences if self.sentences else 1.0

    def summary(self) -> str:
        """The figures in one line."""
        shares = [f"{part / max(1, self.lossy):.0%} {words}" for part, words in (
            (self.named, "with the right function"), (self.placed, "with the line or the mistake"),
        )]  # fmt: skip
        told = f"{self.sentences - len(self.false)} of {self.sentences} sentences true"
        return ", ".join([f"{self.lossy} of {self.submissions} lose points", told, *shares])

    def __add__(self, other: Naming) -> Naming:
        parts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Naming(**parts)

    @property
    def empty(self) -> list[str]:
        """Sentences that fit more than one slip in ten, where there are enough to tell."""
        return [s for s, n in self.given.items() if n > max(3, MOST_ALIKE * self.lossy)]


def drawn(audit: TopicAudit, count: int, seed: int) -> list[Wrong]:
    """Slips of a topic, two thirds of them single, the others pairs in different units."""
    dice = random.Random(f"{audit.topic.name} {seed}")
    public = {name for unit in units_of(audit.reference) for name in unit.names}
    mutants = [Slip(m.label, m.unit, m.source, m.line) for m in audit.mutants if m.unit in public]
    entries = [Slip(f"{m.id}#{n}", m.replaces, number=n) for n, m in enumerate(audit.misconceptions)]
    made: list[Wrong] = []
    while len(made) < count:
        first = dice.choice(mutants if dice.random() < 0.75 or not entries else entries)
        second = dice.choice(mutants) if len(made) % 3 == 2 else None
        if second is None:
            made.append(Wrong((first,), first.source or audit.reference, first.number))
        elif second.unit != first.unit:
            text = _spliced(audit.reference, first, second) if first.source else second.source
            made.append(Wrong((first, second), text or "", first.number))
    return made


def _spliced(reference: str, first: Slip, second: Slip) -> str:
    """The text with both slips; a mutant keeps every character outside its unit."""
    assert first.source is not None and second.source is not None
    return first.source.replace(_unit_text(reference, second.unit), _unit_text(second.source, second.unit), 1)


def _unit_text(source: str, unit: str) -> str:
    node = next(n for n in ast.parse(source).body if getattr(n, "name", "") == unit)
    return "".join(source.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno])


def measure(audit: TopicAudit, count: int, seed: int, progress: Callable[[str], object] = lambda _: None) -> Naming:
    """Draw slips of a topic, grade them, and find out what was told and whether it is true."""
    wrongs = {f"{n}": w for n, w in enumerate(drawn(audit, count, seed))}
    text = misconceptions_text(audit.course, audit.topic.name)
    graded = audit.grade(_candidate(audit, name, wrong, text) for name, wrong in wrongs.items())
    naming, truth = Naming(), Truth(audit)
    for name, result in graded.items():
        _count(naming, audit, wrongs[name], result, truth)
        progress(wrongs[name].label)
    return naming


def _candidate(audit: TopicAudit, name: str, wrong: Wrong, text: str) -> Candidate:
    put_in = None if wrong.number is None else (text, wrong.number)
    return Candidate(name, audit.topic, wrong.source, Plan(diagnose=tuple(audit.names), wrong=put_in))


def _count(naming: Naming, audit: TopicAudit, wrong: Wrong, graded: Graded, truth: Truth) -> None:
    naming.submissions += 1
    lost = [c for c in graded.checks.values() if c.verdict is not Verdict.PASS]
    if not lost:
        naming.harmless += 1
        return
    told: dict[tuple[str, str], list[CheckResult]] = {}
    for check in lost:
        if check.diagnosis:
            told.setdefault((check.diagnosis, check.advice or ""), []).append(check)
    false = {key: c for key, checks in told.items() for c in checks if not truth.holds(wrong, c)}
    naming.sentences += len(told)
    naming.false += [f"{wrong.label}: {id} at {c.id.split('::')[-1]}: {said}" for (id, said), c in false.items()]
    naming.given.update(said for _, said in told)
    naming.named += _is_named(audit, wrong, lost)
    lines = {s.line for s in wrong.slips if s.line}
    naming.placed += bool(told.keys() - false.keys()) or any(f"(line {n}:" in c.message for n in lines for c in lost)


def _is_named(audit: TopicAudit, wrong: Wrong, lost: list[CheckResult]) -> bool:
    """Whether the first function that is blamed, in the order of the solution, is one that is wrong."""
    order = [name for unit in audit.bench.units(audit.topic.name) for name in unit.names]
    blamed = {c.function.partition(".")[0] for c in lost if not c.follow_through}
    first = min(blamed or {c.function.partition(".")[0] for c in lost}, key=order.index)
    unit = next(u.names for u in audit.bench.units(audit.topic.name) if first in u.names)
    return any(s.unit in unit for s in wrong.slips)


class Truth:
    """Runs the checks of a function under other seeds, with a slip and with what a sentence claims."""

    def __init__(self, audit: TopicAudit) -> None:
        self.audit = audit
        self.benches = [audit.bench.at(seed) for seed in SEEDS]
        self.traces: dict[tuple[int, str, str], Trace] = {}

    def holds(self, wrong: Wrong, check: CheckResult) -> bool:
        """Whether what was said at a check is true."""
        return any(self._explains(claim, slip, check) for claim in self._claims(check) for slip in wrong.slips)

    def _claims(self, check: CheckResult) -> Iterator[Misconception]:
        if check.diagnosis in TRANSFORMS:
            for name in (n for n, sentence in SENTENCES.items() if sentence == check.advice):
                yield from put_ins(name, check.function.partition(".")[0])
        yield from (m for m in self.audit.misconceptions if m.id == check.diagnosis and m.sentence == check.advice)

    def _explains(self, claim: Misconception, slip: Slip, check: CheckResult) -> bool:
        function = check.function.partition(".")[0]
        if slip.number is not None and claim is self.audit.misconceptions[slip.number]:
            return True
        judged = {function, claim.replaces}
        items = [i for i in self.audit.items if facts.function_of(i).partition(".")[0] in judged]
        items.sort(key=lambda item: facts.check_id(item) != check.id)
        return all(self._agree(bench, item, claim, slip) for bench in self.benches for item in items)

    def _agree(self, bench: Bench, item: pytest.Item, claim: Misconception, slip: Slip) -> bool:
        made = self._trace(bench, item, slip.label, lambda: self._loaded(slip))
        key = f"claim {id(claim.make)}" if claim.id not in TRANSFORMS else ""
        course, topic = bench.course, self.audit.topic
        claimed = self._trace(bench, item, key, lambda: loading.session_with(course, topic, claim))
        return len(made) == len(claimed) and all(
            a[0] == b[0] and same(a[1], b[1]) for a, b in zip(made, claimed, strict=True)
        )

    def _loaded(self, slip: Slip) -> Session:
        text = misconceptions_text(self.audit.course, self.audit.topic.name)
        wrong = None if slip.number is None else (text, slip.number)
        session = Session(InMemoryConnection())
        session.load(**loading.load_fields(self.audit.topic, slip.source or self.audit.reference, wrong))
        return session

    def _trace(self, bench: Bench, item: pytest.Item, key: str, load: Callable[[], Session]) -> Trace:
        known = bench.course.seed, facts.check_id(item), key
        if key and known in self.traces:
            return self.traces[known]
        trace = trace_of(bench, item, load)
        if key:
            self.traces[known] = trace
        return trace


def trace_of(bench: Bench, item: pytest.Item, load: Callable[[], Session]) -> Trace:
    """Every value that a check compares, also after one that was wrong, and how it ended."""
    trace: Trace = []

    def note(seen: Seen) -> None:
        trace.append((seen.name, seen.actual))

    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with going_on() as failed:
            error = bench.run(item, load(), note)
    except Exception as refused:  # noqa: BLE001
        return [("end", f"refused {type(refused).__name__}")]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    for one in failed:
        trace += [("beside", a) for a, _ in one.compared] or [("failed", one.safe)]
    trace.append(("end", error.type_name if isinstance(error, StudentError) else _end(error)))
    return trace


def _end(error: BaseException | None) -> str:
    return error.safe if isinstance(error, CheckFailed) else type(error).__name__


def _too_long(*_: object) -> None:
    raise TimeoutError
