"""Every topic of the course keeps every rule of the audit."""

from pathlib import Path

import pytest

from grader.audit import TopicAudit, collect
from grader.course import load_course

COURSE = load_course(Path(__file__).parents[2] / "course.yml")


@pytest.mark.parametrize("name", [topic.name for topic in COURSE.topics])
def test_topic_is_sound(name):
    """References and variants pass, stubs and misconceptions fail where they must, diagnoses name the right mistake."""
    audit = TopicAudit(collect(COURSE, [name]), COURSE.topic(name))

    assert [] == [f"{c.where}: {c.problem}" for c in audit.complaints()]
    assert len(audit.misconceptions) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_terms_are_sound(seed):
    """With other seeds of the course references still pass, and variants earn what they should."""
    course = COURSE.model_copy(update={"seed": seed})
    judge = collect(course, [topic.name for topic in course.topics])
    found = []
    for topic in course.topics:
        audit = TopicAudit(judge, topic)
        found += [f"{c.where}: {c.problem}" for rule in (audit.reference_passes, audit.variants_earn) for c in rule()]
        found += [f"{c.where}: {c.problem}" for c in audit.misconceptions_die()]

    assert [] == found
