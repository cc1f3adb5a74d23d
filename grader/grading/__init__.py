"""The main path: paths in, reports out. The supervisor imports no torch, no check and no student code."""
