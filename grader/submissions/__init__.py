"""What was handed in: folders, zips, single files and LMS downloads become `Submission` objects."""

from __future__ import annotations

from grader.submissions.find import LAYOUTS, STAMP, find_submissions
from grader.submissions.model import Found, Submission, SubmittedFile

__all__ = ["LAYOUTS", "STAMP", "Found", "Submission", "SubmittedFile", "find_submissions"]
