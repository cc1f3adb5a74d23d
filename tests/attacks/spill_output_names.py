"""Prints control codes, workflow commands, formulas and markup, and raises them as messages."""
# against: optimizers.sgd
# by design: all text is made harmless when a report is made
# quick: yes
import sys
_evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2028\ud800::error::owned\n##[group]\r=cmd|' /C calc'!A0 <script>alert(1)</script>]]>\0"
def {{FUNC}}(*args, **kwargs):
    print(_evil); sys.stderr.write(_evil + "\n")
    raise type(_evil, (Exception,), {})(_evil)
