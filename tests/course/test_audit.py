"""Every topic of the course keeps every rule of the audit."""

from pathlib import Path

import pytest

from grader.audit.equivalents import load_equivalents, prove
from grader.audit.kills import misconceptions_die, mutants_die
from grader.audit.rules import complaints, reference_passes, variants_earn
from grader.audit.topic import TopicAudit, collect
from grader.course import load_course
from grader.grading.engine import make_engine

COURSE = load_course(Path(__file__).parents[2] / "course.yml")
NAMES = [topic.name for topic in COURSE.topics]


def audited(name, course=COURSE):
    """An audit of one topic, with engine and collected checks of its own."""
    engine = make_engine(course, [name], seed=course.seed)
    return TopicAudit(collect(course, [name]), course.topic(name), engine)


@pytest.fixture
def audit(name):
    audit = audited(name)
    yield audit
    audit.engine.close()


def told(complaints):
    return [f"{c.where}: {c.problem}" for c in complaints]


@pytest.mark.parametrize("name", NAMES)
def test_topic_is_sound(audit):
    """References and variants pass, stubs and misconceptions fail where they must, diagnoses name the right mistake.

    A fixed tenth of the mutants dies, too, but for those that are listed as equivalent.
    """
    assert [] == told(complaints(audit, with_mutants=10))
    assert len(audit.misconceptions) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_mutants_die(audit):
    """At least 98 % of all mutants that are not listed as equivalent lose points, and none that is listed."""
    assert [] == told(mutants_die(audit))
    assert audit.tally.share >= 0.98
    assert audit.tally.listed <= 0.08 * audit.tally.made


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_equivalents_answer_like_the_reference(audit, name):
    """Each mutant that is listed as equivalent gives the reference's output in 200 calls with drawn inputs."""
    listed = {entry.key for entry in load_equivalents(COURSE, name)}
    for mutant in audit.mutants:
        if mutant.key in listed:
            proof = prove(audit.explainer, audit.topic, audit.reference, mutant)
            assert proof.holds, (mutant.label, proof)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_terms_are_sound(seed):
    """With other seeds of the course references still pass, and variants earn what they should."""
    course = COURSE.model_copy(update={"seed": seed})
    engine, explainer = make_engine(course, NAMES, seed=seed), collect(course, NAMES)
    found = []
    try:
        for topic in course.topics:
            audit = TopicAudit(explainer, topic, engine)
            for rule in (reference_passes, variants_earn, misconceptions_die):
                found += told(rule(audit))
    finally:
        engine.close()

    assert [] == [line for line in found if "is not recognised" not in line]
