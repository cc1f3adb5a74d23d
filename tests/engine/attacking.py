"""Hostile submissions against the real pipeline, and what can be seen of them from outside.

tests/attacks holds the submissions. The head of each says what it tries, which function it stands in for, and either
the walls without which it succeeds and how that is seen, or why no wall can be taken away for it.
Placeholders: FUNC the function; PORT a listener on 127.0.0.1; CANARY a file that must not come into being; HIDDEN_DIR,
REFERENCE_FILE, PEER_DIR places that hold the secret; RESULT_FILE an earlier report; SECRET_REVERSED the secret.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grader.course import load_course
from grader.grading.engine import Engine, ForkEngine, JudgeChannel
from grader.grading.pool import grade_many
from grader.jobs import Answer, Done, Job
from grader.results import SubmissionResult
from grader.submissions import Submission, SubmittedFile

ROOT = Path(__file__).parents[2]
ATTACKS = ROOT / "tests" / "attacks"
SECRET = "XQ7-kelp-harbour-19"
NEEDED = ("optimizers", "backprop", "attention")
LIMITS = {"cpu_seconds": 1.0, "import_seconds": 3.0, "memory_mb": 400, "output_kb": 64, "topic_seconds": 60}


@dataclass(frozen=True)
class Attack:
    name: str
    tries: str
    topic: str
    function: str
    walls: frozenset[str]
    seen: str
    design: str
    quick: bool
    body: str

    def source(self, places: dict[str, str]) -> str:
        """The reference with one function replaced: whatever else is worth points stays right."""
        body = self.body.replace("{{FUNC}}", self.function)
        for name, value in places.items():
            body = body.replace("{{" + name + "}}", value)
        return (ROOT / "solutions" / f"{self.topic}.py").read_text() + "\n\n" + body


def read_attack(path: Path) -> Attack:
    text = path.read_text()
    lines = text.splitlines()[1:6]
    head = dict(re.findall(r"^# ([a-z ]+): (.+)$", "\n".join(line for line in lines if line[:2] == "# "), re.M))
    topic, function = head["against"].split(".")
    walls = frozenset(head.get("walls", "").split())
    tries = text.partition('"""')[2].partition('"""')[0]
    seen, design = head.get("seen", ""), head.get("by design", "")
    return Attack(path.stem, tries, topic, function, walls, seen, design, "quick" in head, text)


def all_attacks() -> list[Attack]:
    return [read_attack(path) for path in sorted(ATTACKS.glob("*.py"))]


# ---- the place they are let loose in -----------------------------------------------------------------------


def make_course(root: Path) -> Path:
    """A copy of the course with short limits, whose private files hold a secret."""
    for part in ("exercises", "solutions", "tests/public", "tests/hidden"):
        (root / part).mkdir(parents=True)
        for path in (ROOT / part).glob("*.py"):
            if path.stem.removeprefix("test_").removesuffix("_hints") in NEEDED:
                shutil.copy(path, root / part)
    for path in [*(root / "solutions").glob("*.py"), *(root / "tests/hidden").glob("*.py")]:
        path.write_text(f"# {SECRET}\n" + path.read_text() + f"\n_TOLD = {SECRET!r}\n")
    data = yaml.safe_load((ROOT / "course.yml").read_text())
    data["limits"] = LIMITS
    data["topics"] = [t for t in data["topics"] if t["name"] in NEEDED]
    (root / "course.yml").write_text(yaml.safe_dump(data))
    return root / "course.yml"


def digest(root: Path) -> dict[str, tuple[int, int]]:
    """Size and change time of every file, so that a touched one shows."""
    files = [p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in files}


@dataclass
class Seen:
    """What was observed of one run, from outside."""

    results: dict[str, SubmissionResult]
    output: str
    canary: bool
    connected: bool
    changed: list[str]
    survivors: list[int]
    judge_mb: int  # the most memory a judge took

    def points(self, student: str, attack: Attack) -> float:
        return sum(c.points or 0 for c in self.checks(student, attack))

    def checks(self, student: str, attack: Attack) -> list[Any]:
        topic = next(t for t in self.results[student].topics if t.topic == attack.topic)
        return [c for c in topic.checks if c.function == attack.function]

    def messages(self, student: str, visibility: str = "public hidden") -> str:
        checks = [c for t in self.results[student].topics for c in t.checks]
        return "\n".join(c.message for c in checks if c.visibility in visibility)

    def succeeded(self, how: str) -> bool:
        return {
            "secret": SECRET in self.output,
            "canary": self.canary,
            "connection": self.connected,
            "changed": bool(self.changed),
            "survivor": bool(self.survivors),
            "pwned": "PWNED" in self.output,
        }[how]


@dataclass
class Range:
    """A course with secrets, a listener, a canary, and engines with and without walls."""

    root: Path
    course_file: Path = field(init=False)
    engines: dict[frozenset[str], ForkEngine] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    judges: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.course_file = make_course(self.root / "course")
        self.course = load_course(self.course_file)
        for name in ("peer/optimizers.py", "report/results.json"):
            (self.root / name).parent.mkdir()
            (self.root / name).write_text(f"# {SECRET}\n")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)

    @property
    def places(self) -> dict[str, str]:
        return {
            "PORT": str(self.listener.getsockname()[1]),
            "CANARY": str(self.root / "canary"),
            "HIDDEN_DIR": str(self.root / "course/tests/hidden"),
            "REFERENCE_FILE": str(self.root / "course/solutions/optimizers.py"),
            "PEER_DIR": str(self.root / "peer"),
            "RESULT_FILE": str(self.root / "report/results.json"),
            "SECRET_REVERSED": SECRET[::-1],
        }

    def engine(self, without: frozenset[str] = frozenset()) -> ForkEngine:
        """One for each set of walls; all of them share one mother, since only the workers differ."""
        if without not in self.engines:
            made = _Listening(self.course, list(NEEDED), without=tuple(sorted(without)))
            made.outputs, made.peaks = self.outputs, self.judges
            made.mother = next((e.mother for e in self.engines.values()), None)
            self.engines[without] = made
            made.start()
        return self.engines[without]

    def run(self, attacks: list[Attack], without: frozenset[str] = frozenset()) -> Seen:
        """Grade a good student, then each attacker and another good student, two at a time."""
        self._clear()
        before = digest(self.root)
        engine = self.engine(without)
        results: dict[str, SubmissionResult] = {}
        for topic in dict.fromkeys(a.topic for a in attacks):
            students = list(self._students([a for a in attacks if a.topic == topic], topic))
            topics = [topic] if len(attacks) > 1 or attacks[0].name != "another_topics_worker" else list(NEEDED)
            results |= {r.student: r for r in grade_many(students, self.course, engine, topics, 2)}
        survivors = _descendants(engine)
        output = "\n".join(self.outputs)
        changed = sorted(p for p, state in digest(self.root).items() if before.get(p) != state and "canary" not in p)
        changed += map(str, leftovers())
        canary, judge_mb = (self.root / "canary").exists(), max(self.judges, default=0)
        return Seen(results, output, canary, self._connected(), changed, survivors, judge_mb)

    def _students(self, attacks: list[Attack], topic: str) -> Iterator[Submission]:
        names = NEEDED if [a.name for a in attacks] == ["another_topics_worker"] else (topic,)
        good = {name: (ROOT / "solutions" / f"{name}.py").read_text() for name in names}
        yield _submission(f"good before {topic}", good)
        for attack in attacks:
            yield _submission(attack.name, good | {topic: attack.source(self.places)})
            yield _submission(f"good beside {attack.name}", good)

    def _clear(self) -> None:
        self.outputs.clear()
        self.judges.clear()
        for path in (self.root / "canary", *leftovers()):
            path.unlink(missing_ok=True)
        while self._connected():
            pass

    def _connected(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.listener.close()
        for engine in list(self.engines.values())[1:]:
            engine.mother = None
            engine.close()
        for engine in list(self.engines.values())[:1]:
            engine.close()


class _Listening(ForkEngine):
    """An engine that also keeps what the workers printed, which no report shows."""

    outputs: list[str]
    peaks: list[int]

    def new_judge(self) -> JudgeChannel:
        judge = super().new_judge()
        pid, ask = self.judges[-1], judge.ask

        def listening(job: Job, patience: float) -> Iterator[Answer]:
            for message in ask(job, patience):
                self.outputs.append(message.output if isinstance(message, Done) else "")
                self.peaks.append(_peak_mb(pid))
                yield message

        judge.ask = listening  # type: ignore[method-assign]
        return judge


def _peak_mb(pid: int) -> int:
    try:
        return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) >> 10
    except (OSError, IndexError):
        return 0


def _submission(student: str, sources: dict[str, str]) -> Submission:
    files = {topic: SubmittedFile(f"{topic}.py", source, "sha256:0") for topic, source in sources.items()}
    return Submission(student, files)


def _descendants(engine: Engine, patience: float = 2.0) -> list[int]:
    """Processes beneath the zygotes that are still there after a while: no worker may outlive its verdict."""
    assert isinstance(engine, ForkEngine)
    end = time.monotonic() + patience
    while True:
        found = [pid for z in engine.zygotes.values() for pid in _children(z.process.pid)]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            continue
    return found


def leftovers() -> list[Path]:
    """What the attacks leave in places that all can write to, where nothing holds them back."""
    return [path for folder in ("/", "/tmp", "/dev/shm") for path in Path(folder).glob("grader_attack*")]


def end_survivors(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, 9)
        except OSError:
            pass
