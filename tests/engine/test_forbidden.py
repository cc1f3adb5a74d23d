"""What a student reads when the walls refuse something: the cause, in a sentence of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from walled import WalledWorkers

from grader import wire
from grader.judge.feedback import FORBIDDEN, Source, message_for
from grader.judge.verdicts import outcome_of
from grader.remote.processes import can_fork
from grader.remote.session import WALLS, StudentError, student_error
from grader.results import Verdict

NETWORK, PROCESS, WRITE, READ = (FORBIDDEN[wall] for wall in ("network", "process", "write", "read"))
TRIED = {
    "import socket; socket.create_connection(('127.0.0.1', 9))": NETWORK,
    "import urllib.request as u; u.urlopen('http://127.0.0.1:9')": NETWORK,
    "import socket; socket.getaddrinfo('example.org', 80)": NETWORK,
    "open('/tmp/x', 'w')": WRITE,
    "import tempfile; tempfile.TemporaryFile()": WRITE,
    "np.save('/tmp/x.npy', np.ones(3))": WRITE,
    "import pathlib; pathlib.Path('x').mkdir()": WRITE,
    "open('/etc/passwd')": READ,
    "os.listdir('/etc')": READ,
    "np.load('/etc/passwd')": READ,
    "import subprocess; subprocess.run(['true'])": PROCESS,
    "import subprocess; subprocess.run('true', shell=True, stdout=subprocess.DEVNULL)": PROCESS,
    "import multiprocessing; multiprocessing.Pool(2)": PROCESS,
    "import concurrent.futures as c; list(c.ProcessPoolExecutor(2).map(abs, [1]))": PROCESS,
    "os.fork()": PROCESS,
}
OWN = ["raise ValueError(3)", "raise PermissionError('no')", "open('no such file')", "raise OSError(28, 'full')",
       "try: os.fork()\n    except OSError: raise ValueError from None"]  # fmt: skip


@pytest.fixture(scope="module")
def workers() -> Iterator[WalledWorkers]:
    if not can_fork():
        pytest.skip("needs forked workers")
    workers = WalledWorkers()
    if workers.level("numpy") != "strong":
        pytest.skip(f"this kernel offers the level {workers.level('numpy')} only")
    yield workers
    workers.close()


def raised(workers: WalledWorkers, line: str) -> tuple[StudentError, Source]:
    source = f"import os\nimport numpy as np\ndef f():\n    {line}\n"
    with pytest.raises(StudentError) as caught:
        workers.call("numpy", source)
    return caught.value, Source(source)


@pytest.mark.parametrize("line", TRIED)
def test_refusals_are_named_in_a_sentence(workers, line):
    """Forbidden, in the same words for public and hidden checks, with the student's own line."""
    error, source = raised(workers, line)
    outcome = outcome_of(error)

    assert outcome.verdict is Verdict.FORBIDDEN
    for visibility in ("public", "hidden"):
        message = message_for(outcome, visibility, "f", "toy", source, "hints")
        assert message == f"{TRIED[line]} (line 4: {line})"


@pytest.mark.parametrize("line", OWN)
def test_errors_of_their_own_stay_errors(workers, line):
    """An error that no wall caused is told as what it is."""
    error, source = raised(workers, line)
    outcome = outcome_of(error)

    assert outcome.verdict is Verdict.ERROR
    assert error.type_name in message_for(outcome, "public", "f", "toy", source, "hints")


FORGED = {"type": "E", "mro": ["E"], "text": "", "frames": []}


@pytest.mark.parametrize("wall", ["pass", "", 1, True, ["read"], {"read": 1}, "READ"])
def test_a_wall_that_does_not_exist_breaks_the_protocol(wall):
    """The word comes from the worker: anything but the four is refused, and the four can only cost points."""
    with pytest.raises(wire.WireError):
        student_error({**FORGED, "wall": wall})


@pytest.mark.parametrize("wall", [*WALLS, None])
def test_every_wall_has_words(wall):
    """Each of the four has its sentence; none of the worker's own text gets into it."""
    error = student_error({**FORGED, "text": "0.7352", "mro": ["Forbidden"], "wall": wall})
    message = message_for(outcome_of(error), "hidden", "f", "toy", Source(""), "hints")
    assert message == FORBIDDEN[wall]
