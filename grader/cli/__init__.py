"""The `grade` command: the only place that prints and exits."""
