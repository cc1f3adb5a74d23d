"""Checks run under plain pytest with the fixtures of the judge."""

pytest_plugins = ["grader.judge.plugin"]
