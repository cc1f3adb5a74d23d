"""The trusted end of the wire: processes, connections, sessions, and what a check holds of a submission."""
