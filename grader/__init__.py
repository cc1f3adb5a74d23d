"""A deep-learning course that grades itself: the `grade` command, what checks import, and grading as a call.

    report = grader.grade("submit/", topics=["backprop"])
    with grader.Grader("course/") as warm:
        report = warm.grade("submit/")

The names are handed out when they are first asked for: this file is loaded inside every worker, and before
`python -m grader` has closed the working folder to imports; so it imports nothing.
"""

TYPE_CHECKING = False  # what type checkers hold for true
if TYPE_CHECKING:
    from grader.course import load_course as load_course
    from grader.errors import CourseError as CourseError
    from grader.errors import GraderError as GraderError
    from grader.errors import GraderFault as GraderFault
    from grader.errors import NothingToGrade as NothingToGrade
    from grader.errors import UsageError as UsageError
    from grader.grading.grade import Grader as Grader
    from grader.grading.grade import Interrupted as Interrupted
    from grader.grading.grade import Progress as Progress
    from grader.grading.grade import grade as grade
    from grader.reports import write as write
    from grader.results import CheckResult as CheckResult
    from grader.results import Report as Report
    from grader.results import SubmissionResult as SubmissionResult
    from grader.results import TopicResult as TopicResult
    from grader.results import Verdict as Verdict
    from grader.submissions import find_submissions as find_submissions

__version__ = "0.1.0"
_HOMES = {
    "grading.grade": "Grader Interrupted Progress grade",
    "course": "load_course",
    "submissions": "find_submissions",
    "reports": "write",
    "results": "CheckResult Report SubmissionResult TopicResult Verdict",
    "errors": "CourseError GraderError GraderFault NothingToGrade UsageError",
}
_HOME_OF = {name: f"grader.{home}" for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    """A public name, from where it lives (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'grader' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOME_OF[name]), name)


def load_ipython_extension(shell: object) -> None:
    """`%load_ext grader` in a notebook brings `%%check`."""
    from grader.notebooks import client

    client.load_ipython_extension(shell)
