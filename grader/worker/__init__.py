"""Everything that may stand in one process with a student's code. Imports nothing of the project but `grader.wire`."""
