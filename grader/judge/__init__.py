"""The trusted process: it holds the checks and the references, and never a line of student code."""
