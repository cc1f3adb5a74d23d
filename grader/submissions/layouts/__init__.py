"""Layouts: each module knows one way in which submissions lie together, and who handed them in."""

from __future__ import annotations

from grader.submissions.layouts.base import Fit as Fit
from grader.submissions.layouts.base import Layout as Layout
from grader.submissions.layouts.blackboard import Blackboard
from grader.submissions.layouts.brightspace import Brightspace
from grader.submissions.layouts.canvas import Canvas
from grader.submissions.layouts.class_folder import ClassFolder
from grader.submissions.layouts.forge import Forge
from grader.submissions.layouts.gradescope import Gradescope
from grader.submissions.layouts.moodle import Moodle
from grader.submissions.layouts.nbgrader_course import NbgraderCourse
from grader.submissions.layouts.student import StudentFolder

# In order of trial, for the first that most entries fit counts: what an LMS names says more than a topic's file beside
# it, and a class comes last, for every tree is one.
LAYOUTS: tuple[type[Layout], ...] = (
    Gradescope, Canvas, Moodle, Blackboard, Brightspace, NbgraderCourse, Forge, StudentFolder, ClassFolder,
)  # fmt: skip

# In the order in which people meet them: what `--layout` takes, as messages list it.
LAYOUT_NAMES = (
    "student", "class", "canvas", "moodle", "gradescope", "blackboard", "brightspace", "nbgrader", "forge",
)  # fmt: skip
