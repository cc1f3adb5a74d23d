"""What lateness costs when nbgrader itself grades: the policy of course.yml, as a plug-in of nbgrader's."""

from __future__ import annotations

import os
from pathlib import Path

from nbgrader.plugins import LateSubmissionPlugin

from grader.course import load_course
from grader.grading.scoring import DAY, late_days_after, penalty_share


class CoursePolicy(LateSubmissionPlugin):  # type: ignore[misc]  # nbgrader has no types
    """`c.AssignLatePenalties.plugin_class = "grader.notebooks.late.CoursePolicy"`"""

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """Points that a notebook loses."""
        policy = load_course(Path(os.environ["GRADER_COURSE"])).policy
        days = late_days_after(total_seconds_late / DAY.total_seconds() * DAY, policy.grace_hours)
        return score * penalty_share(days, policy.late_penalty_per_day, policy.late_penalty_cap)
