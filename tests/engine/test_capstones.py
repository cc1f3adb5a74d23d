"""Capstones: every reference reaches its gate, wrong submissions do not, and the data are what they claim to be."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from grader.cli import main as cli
from grader.course import Course, load_course
from grader.errors import UsageError
from grader.judge import training as capstone
from grader.remote.connection import EngineFault
from grader.remote.limits import Launcher
from grader.remote.session import Reply, Session, StudentError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "exercises" / "data"
TOPICS = [t.name for t in load_course(ROOT / "course.yml").topics]
QUICK = ("backprop", "conv_backprop", "optimizers", "attention", "elbo", "viola_jones")  # under 3 s of CPU

# Lines that make a reference wrong: (topic, what stands there, what stands there instead).
WRONG = {
    "backprop: relu passes on what it has stopped": ("backprop", "return da * (z > 0)", "return da * (z <= 0)"),
    "backprop: the gradient has the wrong sign": ("backprop", "dlogits[rows, y] -= 1", "dlogits[rows, y] += 1"),
    "backprop: weights drawn with deviation 1": ("backprop", "math.sqrt(variance)", "1.0"),
    "conv_backprop: dw is turned": (
        "conv_backprop",
        "np.tensordot(dy, windows, axes=((0, 2, 3), (0, 2, 3)))",
        "np.tensordot(dy, windows, axes=((0, 2, 3), (0, 2, 3)))[:, :, ::-1, ::-1]",
    ),
    "conv_backprop: the gradient goes to another pixel of the window": (
        "conv_backprop",
        "np.where(winner == i * k + j, dy, 0)",
        "np.where(winner == k * k - 1 - i * k - j, dy, 0)",
    ),
    "optimizers: adam without bias correction": ("optimizers", "v_hat = v / (1 - beta2**t)", "v_hat = v"),
    "optimizers: the mean square is not a mean": ("optimizers", "G = G + g**2", "G = 0.9 * G + g**2"),
    "regularization: the gradient flows through what was dropped": ("regularization", "return dy * mask", "return dy * (mask == 0)"),
    "regularization: nothing is penalised": (
        "regularization",
        "{key: alpha * W for key, W in weights.items()}",
        "{key: 0 * W for key, W in weights.items()}",
    ),
    "regularization: the penalty is rewarded": (
        "regularization",
        "{key: alpha * W for key, W in weights.items()}",
        "{key: -alpha * W for key, W in weights.items()}",
    ),
    "lstm: nothing goes back through the cell": ("lstm", "return da @ W_ih, da @ W_hh, delta * f, grads", "return da @ W_ih, da @ W_hh, 0 * delta, grads"),
    "lstm: the slope of the output gate is forgotten": ("lstm", "delta * g * i * (1 - i)", "-delta * g * i * (1 - i)"),
    "attention: the mask hides the past": ("attention", "np.arange(Lk) <= np.arange(Lq)[:, None] + Lk - Lq", "np.arange(Lk) >= np.arange(Lq)[:, None]"),
    "attention: there is no mask": ("attention", "return np.arange(Lk) <= np.arange(Lq)[:, None] + Lk - Lq", "return np.ones((Lq, Lk), bool)"),
    "elbo: the KL is a mean over dimensions": (
        "elbo",
        "kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1)",
        "kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).mean(dim=1)",
    ),
    "gan_loss: the generator is taught to be found out": (
        "gan_loss",
        "lg = functional.softplus(-D(G(z2))).mean()",
        "lg = functional.softplus(D(G(z2))).mean()",
    ),
    "viola_jones: weights never change": ("viola_jones", "w * beta, w)", "w, w)"),
    "viola_jones: features without their signs": ("viola_jones", "signs[i, k] * rect_sum", "rect_sum"),
}  # fmt: skip


@pytest.fixture(scope="module")
def course() -> Course:
    return load_course(ROOT / "course.yml")


@pytest.fixture(scope="module")
def launchers() -> Iterator[dict[str, Launcher]]:
    """A launcher of each kind of worker, shared by the tests of this file."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(capstone.worker_launcher(kind))[0] for kind in ("numpy", "torch")}


def reference(course: Course, topic: str) -> str:
    return course.path("solutions", f"{topic}.py").read_text(encoding="utf-8")


def run(course: Course, launchers: dict[str, Launcher], topic: str, source: str, seed: int) -> capstone.Training:
    module, entry = capstone.load_capstone(course, topic), course.topic(topic)
    data = module.make_data(seed, DATA)
    return capstone.run_once(module, entry, source, launchers[entry.kind], data)


def figures(outcome: capstone.Training) -> list[float]:
    return [f.value for f in outcome.figures]


# --- the nine --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", [t if t in QUICK else pytest.param(t, marks=pytest.mark.slow) for t in TOPICS])
def test_reference_reaches_the_gate(course: Course, launchers: dict[str, Launcher], topic: str) -> None:
    outcome = run(course, launchers, topic, reference(course, topic), 0)
    assert outcome.reached, outcome.figures


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_three_seeds_reach_the_gate_and_repeat_themselves(
    course: Course, launchers: dict[str, Launcher], topic: str
) -> None:
    outcomes = [run(course, launchers, topic, reference(course, topic), seed) for seed in (0, 1, 2, 2)]
    assert all(o.reached for o in outcomes), [o.figures for o in outcomes]
    assert figures(outcomes[2]) == figures(outcomes[3])


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_wrong_submission_falls_outside_the_gate(course: Course, launchers: dict[str, Launcher], name: str) -> None:
    topic, right, wrong = WRONG[name]
    source = reference(course, topic)
    assert right in source
    outcome = run(course, launchers, topic, source.replace(right, wrong), 0)
    assert not outcome.reached, outcome.figures


def test_block_without_its_mask_is_too_good(course: Course, launchers: dict[str, Launcher]) -> None:
    _, right, wrong = WRONG["attention: there is no mask"]
    outcome = run(course, launchers, "attention", reference(course, "attention").replace(right, wrong), 0)
    assert [f.name for f in outcome.figures if f.value > f.high] == ["accuracy in foreseeing random symbols"]


@pytest.mark.parametrize("topic", TOPICS)
def test_stub_is_told_what_is_not_written(course: Course, launchers: dict[str, Launcher], topic: str) -> None:
    stub = course.path("exercises", f"{topic}.py").read_text(encoding="utf-8")
    with pytest.raises(StudentError) as caught:
        run(course, launchers, topic, stub, 0)
    assert "is not written yet (line " in capstone.explain(caught.value, stub)


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_held_back_never_reaches_the_worker(
    course: Course, launchers: dict[str, Launcher], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    def request(self: Session, kind: str, args: Any = (), kwargs: Any = None, **fields: Any) -> Any:
        if kind == "helper":
            sent.append(args[1])
            raise EngineFault("seen enough")
        return Reply(None, {})

    monkeypatch.setattr(Session, "request", request)
    with pytest.raises(EngineFault, match="seen enough"):
        run(course, launchers, topic, reference(course, topic), 0)
    module = capstone.load_capstone(course, topic)
    data = module.make_data(0, DATA)
    assert set(sent[0]) == set(data) - set(module.HELD_BACK)
    assert ("test_y" in data) == ("test_y" in module.HELD_BACK)


@pytest.mark.parametrize("topic", TOPICS)
def test_training_stands_on_its_own(course: Course, topic: str) -> None:
    """The source of `train` compiles alone and uses no other name of its module."""
    module = capstone.load_capstone(course, topic)
    tree = ast.parse(capstone.source_of_train(module))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own = {name for name in vars(module) if not name.startswith("__")} - {"np", "train", "annotations"}
    assert not (used - stored) & own


# --- results that cannot be trusted ----------------------------------------------------------------------------------


def test_results_that_cannot_be_measured_are_no_fault_of_the_grader(course: Course) -> None:
    module = capstone.load_capstone(course, "backprop")
    data = module.make_data(0, DATA)
    right = {name: np.zeros(shape) for name, shape in module.SHAPES.items()}
    for results in (None, {}, {"params": "x", "losses": [1]}, {"params": right, "losses": []}):
        with pytest.raises(capstone.Unusable):
            capstone._figures(module, results, data)
    wide = {**right, "W0": np.zeros((64, 1000))}
    other = capstone._figures(module, {"params": wide, "losses": np.array([2.3])}, data)
    assert not other[0].reached  # nan is on neither side


# Instead of learning, each looks for what lies in the frames of train(): (topic, what it does to the submission).
NEIGHBOUR = """
import sys
_forward = MLP.forward
def _looked_up(self, x):
    _forward(self, x)
    frame = sys._getframe(1)
    while "data" not in frame.f_locals: frame = frame.f_back
    known = frame.f_locals["data"]
    nearest = ((x[:, None] - known["x"]) ** 2).sum(2).argmin(1) if len(x) < 1000 else np.arange(len(x))
    return 10.0 * np.eye(10)[known["y"][nearest]] if len(self._seen) else _forward(self, x)
def _nothing(self, dlogits):
    self._seen = [1]
    return {name: np.zeros_like(value) for name, value in self.params.items()}
MLP._seen, MLP.forward, MLP.backward = [], _looked_up, _nothing
"""
MEMBERS = """
class VAE(VAE):
    def encode(self, x): return torch.zeros(len(x), 8, dtype=x.dtype), torch.zeros(len(x), 8, dtype=x.dtype)
    def decode(self, z):
        frame = sys._getframe(1)
        while "data" not in frame.f_locals: frame = frame.f_back
        known = frame.f_locals["data"]
        x = torch.from_numpy(np.array(known.get("test_x", known.get("x", np.zeros((len(z), 64))))))
        return torch.logit(x.clamp(0.02, 0.98))[: len(z)]
    def loss(self, x, eps): return 0.0 * sum(p.sum() for p in self.parameters())
import sys
"""


@pytest.mark.parametrize(("topic", "more"), [("backprop", NEIGHBOUR), ("elbo", MEMBERS)])
def test_what_is_read_in_the_frames_of_train_is_not_learned(
    course: Course, launchers: dict[str, Launcher], topic: str, more: str
) -> None:
    """Who has looked the answers up, or the digits that are measured, has a network that knows nothing."""
    try:
        outcome = run(course, launchers, topic, reference(course, topic) + more, 0)
    except (capstone.Unusable, StudentError):
        return
    assert not outcome.figures[0].reached, outcome.figures


@pytest.mark.parametrize("topic", TOPICS)
def test_nothing_that_is_measured_with_reaches_train(course: Course, topic: str) -> None:
    """Neither what is tested on nor what is right: both stay on this side."""
    module = capstone.load_capstone(course, topic)
    data = module.make_data(0, DATA)
    measured_with = {name for name in data if name.startswith("test_") or name in ("noise", "boxes", "clean_y")}
    assert measured_with <= set(module.HELD_BACK)


def test_progress_takes_counts_alone() -> None:
    seen: list[Any] = []
    report = capstone._checked(lambda done, total: seen.append((done, total)))
    for done, total in ((1, 2), ("1", 2), (3, 2), (-1, 2), (1.0, 2), (True, 2), (1, 10**30)):
        report(done, total)
    assert seen == [(1, 2)]


# --- the command -----------------------------------------------------------------------------------------------------


def grade(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.grade, ["capstone", *arguments, "--course", str(ROOT / "course.yml")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_command_prints_the_figure_and_saves_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code, output = grade("backprop", str(ROOT / "solutions" / "backprop.py"), "-o", str(tmp_path / "out"))
    assert code == 0
    assert "test accuracy: 0.9" in output and "gate 0.95 to 0.999: reached" in output
    assert (tmp_path / "out" / "backprop_capstone.png").read_bytes().startswith(b"\x89PNG")


def test_command_finds_the_file_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (ROOT / "solutions" / "backprop.py").read_text()
    (tmp_path / "backprop.py").write_text(source.replace("return da * (z > 0)", "return da * undefined"))
    monkeypatch.chdir(tmp_path)
    code, output = grade("backprop")
    assert code == 1
    assert "NameError: name 'undefined' is not defined (line " in output and "return da * undefined)" in output


def test_command_without_matplotlib_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    code, output = grade("optimizers", str(ROOT / "solutions"), "-o", str(tmp_path))
    assert code == 0 and 'pip install "grader[plots]"' in output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_command_works_where_forking_is_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capstone, "can_fork", lambda: False)
    code, output = grade("backprop", str(ROOT / "solutions" / "backprop.py"), "-o", str(tmp_path))
    assert code == 0 and "protection: " in output


def test_command_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no such file"):
        grade("backprop")
    with pytest.raises(UsageError, match="no backprop.py here"):
        grade("backprop", str(tmp_path))


# --- the data --------------------------------------------------------------------------------------------------------


def test_licence_of_the_digits_stands_beside_them() -> None:
    notice = (DATA / "README.md").read_text(encoding="utf-8")
    for words in (
        "digits.npz",
        "BSD 3-Clause License",
        "The scikit-learn developers",
        "Creative Commons Attribution 4.0",
    ):
        assert words in notice
    assert sorted(p.name for p in DATA.glob("*.npz")) == ["digits.npz", "faces.npz"]


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    with np.load(DATA / "digits.npz") as file:
        assert file["x"].dtype == file["y"].dtype == np.uint8
        np.testing.assert_array_equal(file["x"], digits.images)
        np.testing.assert_array_equal(file["y"], digits.target)


def test_faces_are_what_the_script_draws() -> None:
    made = runpy.run_path(str(DATA / "make_faces.py"))["make"]()
    with np.load(DATA / "faces.npz") as file:
        assert set(file.files) == set(made)
        for name, array in made.items():
            assert file[name].dtype == array.dtype
            # another libm may round a pixel the other way
            assert np.abs(file[name].astype(int) - array.astype(int)).max() <= 1


def test_nothing_opens_the_network() -> None:
    """Nothing that a capstone imports can; the worker that runs `train` is walled off besides."""
    allowed = {"__future__", "numpy", "pathlib", "typing", "torch", "math", "sys", "skimage"}
    for path in [*(ROOT / "exercises" / "capstones").glob("*.py"), *DATA.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {a.name.partition(".")[0] for a in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom):
                assert str(node.module).partition(".")[0] in allowed, path


def test_pictures_of_the_documentation_are_small_and_shown() -> None:
    text = (ROOT / "docs" / "capstones.md").read_text(encoding="utf-8")
    for topic in TOPICS:
        picture = ROOT / "docs" / "capstones" / f"{topic}.png"
        assert picture.stat().st_size < 150_000
        assert f"(capstones/{topic}.png)" in text and f"## {topic}" in text
