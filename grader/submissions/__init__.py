"""What was handed in: folders, zips, single files and LMS downloads become `Submission` objects."""

from __future__ import annotations

from grader.submissions.find import find_submissions
from grader.submissions.layouts import LAYOUT_NAMES
from grader.submissions.model import Found, Submission, SubmittedFile
from grader.submissions.reading import STAMP

__all__ = ["LAYOUT_NAMES", "STAMP", "Found", "Submission", "SubmittedFile", "find_submissions"]
