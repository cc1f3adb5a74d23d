"""Reports: each module writes one format from a `Report`, by `write(report, course, path)`."""
