"""A topic under audit: its checks, and what is right and wrong with it, graded as candidates when first asked for."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from tqdm import tqdm

from grader.audit.candidates import Candidate, Graded, grade_candidates
from grader.audit.comparisons import Comparisons, watch
from grader.audit.mutants import Mutant, mutants
from grader.course import Course, Topic
from grader.grading.engine import Engine
from grader.jobs import Plan
from grader.judge import process
from grader.judge.bench import Bench
from grader.judge.explain import Explainer
from grader.judge.items import check_of
from grader.judge.loading import load_misconceptions
from grader.results import Verdict


@dataclass(frozen=True)
class Complaint:
    """A broken rule: what was found, where, and what to do next."""

    rule: str
    where: str
    problem: str
    help: str


@dataclass
class Kills:
    """The kill matrix of a topic: which misconceptions and mutants fail which check.

    A check is proven only by a kill that its own demand made: what crashes fails even a check that asserts nothing.
    """

    misconceptions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    mutants: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    proven: set[str] = field(default_factory=set)

    def add(self, matrix: dict[str, list[str]], graded: Graded, label: str, meant_for: str = "") -> None:
        for name in graded.lost:
            matrix[name].append(label)
            if graded.checks[name].verdict is Verdict.WRONG or name == meant_for:
                self.proven.add(name)


@dataclass(frozen=True)
class MutantTally:
    """How a run over mutants ended."""

    made: int
    killed: int
    listed: int  # as equivalent
    survivors: tuple[Mutant, ...]

    @property
    def share(self) -> float:
        """The killed share of those that are not listed as equivalent."""
        return self.killed / max(1, self.made - self.listed)


class _KeepItems:
    """Takes the collected checks and leaves them unrun."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.bench.adopt(session.items)
        return True


def collect(course: Course, topics: list[str]) -> Explainer:
    """The collected checks of these topics, in this process, and what can be said of them."""
    bench = Bench(course)
    for path in (path for topic in topics for _, path in course.check_files(topic)):
        # pytest takes a module it has by that name, even another course's or an older text
        sys.modules.pop(f"tests.{path.parent.name}.{path.stem}", None)
    process.collect(bench, topics, _KeepItems(bench))
    return Explainer(bench)


class TopicAudit:
    """What is known of one topic under audit; with `only`, of what concerns one check."""

    def __init__(self, explainer: Explainer, topic: Topic, engine: Engine, only: str = "") -> None:
        self.explainer, self.bench = explainer, explainer.bench
        self.topic, self.engine = topic, engine
        self.course = self.bench.course
        self.items = [i for i in self.bench.items.get(topic.name, []) if only in ("", i.name)]
        self.names = [i.name for i in self.items]
        self.only = tuple(self.names) if only else ()
        self.reference = self.source("solutions", f"{topic.name}.py")
        self.misconceptions = load_misconceptions(self.course, topic.name)
        self.kills = Kills()
        self.undiagnosed: list[str] = []
        self.tally: MutantTally | None = None

    def source(self, *parts: str) -> str:
        return self.course.path(*parts).read_text(encoding="utf-8")

    def complaint(self, rule: str, where: str, problem: str, help: str) -> Complaint:
        return Complaint(rule, f"{self.topic.name}{'::' if where else ''}{where}", problem, help)

    def candidate(self, name: str, source: str, **plan: Any) -> Candidate:
        return Candidate(name, self.topic, source, Plan(**{"only": self.only, **plan}))

    def grade(self, candidates: Iterable[Candidate]) -> dict[str, Graded]:
        """By name of candidate, in the order given."""
        asked = list(candidates)
        landing = grade_candidates(asked, self.engine) if asked else iter(())
        bar = tqdm(landing, self.topic.name, len(asked), leave=False, file=sys.stderr, disable=None)
        landed = {g.candidate.name: g for g in bar}
        return {c.name: landed[c.name] for c in asked}

    def function_of(self, name: str) -> str:
        item = next((i for i in self.items if i.name == name), None)
        check = check_of(item) if item else None
        return check.function if check else ""

    @cached_property
    def mutants(self) -> list[Mutant]:
        return mutants(self.reference)

    @cached_property
    def variants(self) -> dict[str, str]:
        paths = sorted(self.course.path("tests", "hidden", "variants").glob(f"{self.topic.name}_*.py"))
        own = [p for p in paths if longest_topic(p.stem, self.course) == self.topic.name]
        return {p.stem: p.read_text(encoding="utf-8") for p in own}

    @cached_property
    def right(self) -> dict[str, Graded]:
        """What ought to earn its marks: the reference, again, backwards, and every variant."""
        made = [self.candidate("reference", self.reference), self.candidate("again", self.reference)]
        made.append(self.candidate("backwards", self.reference, backwards=True))
        made += [self.candidate(name, source) for name, source in self.variants.items()]
        return self.grade(made)

    @cached_property
    def watched(self) -> dict[str, Comparisons]:
        """What each check compares, in order."""
        return watch(self.bench, self.topic, self.reference, self.items)

    def smallest_margin(self, name: str) -> float | None:
        """How far inside its tolerance the closest right answer was; None where it was exact or nothing is known."""
        known = [g.margins[name] for g in self.right.values() if name in g.margins and name not in g.lost]
        return min((m for m in known if m < sys.float_info.max), default=None)


def longest_topic(stem: str, course: Course) -> str:
    """The topic that a file's name begins with; the longest where several do."""
    return max((t.name for t in course.topics if stem.startswith(t.name + "_")), key=len, default="")
