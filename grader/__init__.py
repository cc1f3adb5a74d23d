"""A deep-learning course that grades itself: the `grade` command and the library that checks import."""

__version__ = "0.1.0"
