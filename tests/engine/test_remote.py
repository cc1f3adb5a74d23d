"""What a check holds of a submission: the proxy, handles and helpers, in memory and over the pipes of real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from walled import LIMITS, WalledWorkers

from grader.checks import assert_pure, fortran, fresh, grads, in_worker, keep, noncontiguous, observe, take, tensor, vjp
from grader.remote.connection import WorkerDied
from grader.remote.forking import ForkLauncher
from grader.remote.inmemory import in_memory_session
from grader.remote.processes import can_fork
from grader.remote.proxy import Handle, RemoteModule
from grader.remote.session import MAX_CALLBACKS, MAX_NESTING, Session, StudentError
from grader.results import Verdict

SOURCE = """
from collections import defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import ClassVar
import numpy as np

def plain(x): return x.data if isinstance(x, Value) else x

class Value:
    def __init__(self, data): self.data = data
    def _new(self, other, f): return Value(f(self.data, plain(other)))
    def __add__(self, other): return self._new(other, lambda a, b: a + b)
    def __radd__(self, other): return self._new(other, lambda a, b: b + a)
    def __sub__(self, other): return self._new(other, lambda a, b: a - b)
    def __rsub__(self, other): return self._new(other, lambda a, b: b - a)
    def __mul__(self, other): return self._new(other, lambda a, b: a * b)
    def __rmul__(self, other): return self._new(other, lambda a, b: b * a)
    def __truediv__(self, other): return self._new(other, lambda a, b: a / b)
    def __rtruediv__(self, other): return self._new(other, lambda a, b: b / a)
    def __floordiv__(self, other): return self._new(other, lambda a, b: a // b)
    def __rfloordiv__(self, other): return self._new(other, lambda a, b: b // a)
    def __mod__(self, other): return self._new(other, lambda a, b: a % b)
    def __rmod__(self, other): return self._new(other, lambda a, b: b % a)
    def __pow__(self, other): return self._new(other, lambda a, b: a ** b)
    def __rpow__(self, other): return self._new(other, lambda a, b: b ** a)
    def __matmul__(self, other): return self._new(other, lambda a, b: a @ b)
    def __rmatmul__(self, other): return self._new(other, lambda a, b: b @ a)
    def __neg__(self): return Value(-self.data)
    def __pos__(self): return Value(+self.data)
    def __abs__(self): return Value(abs(self.data))
    def __lt__(self, other): return self.data < plain(other)
    def __gt__(self, other): return self.data > plain(other)
    def __le__(self, other): return self.data <= plain(other)
    def __ge__(self, other): return self.data >= plain(other)
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __float__(self): return float(self.data)
    def __int__(self): return int(self.data)

class Array(Value):
    __array_ufunc__ = None  # NumPy leaves operators to this class

class Box:
    def __init__(self, *items): self.items = list(items)
    def __getitem__(self, i): return self.items[i]
    def __setitem__(self, i, x): self.items[i] = x
    def __delitem__(self, i): del self.items[i]
    def __len__(self): return len(self.items)
    def __call__(self, x, times=1): return x * times + len(self.items)
    def add(self, x): self.items.append(x); return self
    def __iter__(self): return iter(self.items)

class Odd:
    kind = request = number = handle = take = owner = ref = "mine"
    def keep(self): return "my keep"
    def get(self): return "my get"

def load(x): return ("load", x)
def keep(x): return ("keep", x)
def call(x): return ("call", x)
def get(x): return ("get", x)
def take(x): return ("take", x)
def request(x): return ("request", x)
def session(x): return ("session", x)

Pair = namedtuple("Pair", "first second")

@dataclass
class Cache:
    x: np.ndarray
    kind: str = "plain"
    shared: ClassVar[int] = 3
    seen: list = field(default_factory=list)
    def norm(self): return float(np.abs(self.x).sum())

@dataclass(frozen=True)
class Frozen:
    x: int

last = None
def made(kind):
    global last
    last = {
        "tuple": lambda: (1, np.ones(2)), "list": lambda: [1, [2]], "dict": lambda: {"a": np.zeros(2), "b": {}},
        "default": lambda: defaultdict(list), "empty": lambda: {}, "pair": lambda: Pair(1, np.ones(2)),
        "cache": lambda: Cache(np.ones(3)), "frozen": lambda: Frozen(4), "nested": lambda: {"c": [Cache(np.ones(2)), Pair(1, 2)]},
    }[kind]()
    return last
def is_it(x): return x is last
def inner_is(x): return x is last["c"][0]
def type_of(x): return type(x).__name__
def described(x): return type(x).__name__, getattr(x, "x", None), getattr(x, "seen", None), isinstance(x, Cache) and x.norm()
def group(x): x["new"].append(1); return dict(x)

def same_array(a, b): return a is b
def flags(x): return [bool(x.flags.c_contiguous), bool(x.flags.f_contiguous), bool(x.flags.writeable), list(x.shape)]
def laid_out(kind):
    x = np.arange(12.0).reshape(3, 4)
    return {"C": x, "F": np.asfortranarray(x), "S": x[:, ::2]}[kind]
def twice(): x = np.ones(2); return x, [x, x.copy()]
def add_one(x): x += 1; return x

def draws(rng, n): return rng.standard_normal(n)
def integers(rng): return rng.integers(0, 10, 3, dtype=np.uint32)
def replaced(rng): rng.bit_generator.state = np.random.default_rng(1).bit_generator.state
def rewound(rng): s = rng.bit_generator.state; rng.standard_normal(5); rng.bit_generator.state = s
def jumped(rng): rng.bit_generator.advance(1 << 60)
def two(a, b): return a is b, a.random(), b.random()

def apply(f, *xs): return [f(x) for x in xs]
def apply_named(f, x): return f(x, scale=3)
def swallow(f, x):
    try: f(x)
    except RuntimeError as e: return str(e)
def forever(f):
    while True: f(0)
def deeper(f, n): return f(n)
def name_of(f): return f.__name__
def negated(x): return -x
def fails(n): return [1][n]
def raises(kind, *args): raise {"value": ValueError, "key": KeyError, "own": type("OwnError", (ZeroDivisionError,), {})}[kind](*args)
def numbers():
    n = 0
    while True: yield n; n += 1
def big(): return np.zeros((3000, 3000)), 1
def bigger(): return np.broadcast_to(0, (10**6, 10**6))
def pick(x): return x[:2, :2]
def keyed(): return {negated: 1}, 2
"""
TORCH = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([2.0, 3.0], dtype=torch.float64))
        self.unused = torch.nn.Parameter(torch.ones(1))
    def forward(self, x): return self.w * x
def square(x): return x * x
def loss(model, x): return model(x).sum()
def flags(x): return x.requires_grad, x.is_leaf, str(x.dtype)
"""

Open = Callable[[str], Session]


def in_memory(source: str) -> Session:
    return in_memory_session({"work.py": source}, "work", ["numpy", "torch"], [])


@pytest.fixture(scope="module")
def workers() -> Iterator[WalledWorkers]:
    if not can_fork():
        pytest.skip("needs forked workers")
    workers = WalledWorkers()
    yield workers
    workers.close()


class Piped:
    """Sessions with real workers, which end with the test."""

    def __init__(self, workers: WalledWorkers) -> None:
        self.workers = workers
        self.open: list[Any] = []

    def __call__(self, source: str, kind: str = "numpy") -> Session:
        link = self.workers.zygote(kind).client()
        connection = ForkLauncher(link).start(LIMITS)
        self.open += [connection, link]
        connection.begin(30.0, 60.0)
        session = Session(connection)
        session.load(files={"work.py": source}, main="work", imports=["numpy", "torch"], banned=[])
        return session

    def close(self) -> None:
        for thing in self.open:
            thing.close()


@pytest.fixture
def piped(workers: WalledWorkers) -> Iterator[Piped]:
    piped = Piped(workers)
    yield piped
    piped.close()


@pytest.fixture(params=["in memory", "worker"])
def opened(request: pytest.FixtureRequest) -> Open:
    """A session with some source, in this process or in a real worker."""
    return in_memory if request.param == "in memory" else request.getfixturevalue("piped")  # type: ignore[no-any-return]


@pytest.fixture
def s(opened: Open) -> RemoteModule:
    return RemoteModule(opened(SOURCE))


# --- handles ---------------------------------------------------------------------------------------------------------


def test_objects_stay_behind_a_handle(s):
    """An object answers attribute by attribute, can be set and called, and its methods return what they return."""
    box = s.Box(1, 2)
    box.extra = np.arange(3)
    box.add(5)

    assert isinstance(box, Handle)
    assert box.items == [1, 2, 5]
    np.testing.assert_array_equal(box.extra, [0, 1, 2])
    assert box(2, times=4) == 11
    assert repr(box) == "<submission's Box>"
    with pytest.raises(AttributeError):
        _ = box.nothing


BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "//": lambda a, b: a // b,
    "%": lambda a, b: a % b, "**": lambda a, b: a**b,
}  # fmt: skip


@pytest.mark.parametrize("other", [2, 2.5, np.float64(2.5), np.float32(2), np.int64(3)])
def test_arithmetic_reaches_the_object_from_both_sides(s, other):
    """Each operator is the student's own, with a handle left or right, also beside NumPy scalars."""
    v = s.Value(7.0)
    for symbol, operate in BINARY.items():
        assert operate(v, other).data == pytest.approx(operate(7.0, other)), symbol
        assert operate(other, v).data == pytest.approx(operate(other, 7.0)), symbol
    assert (v - s.Value(2.0)).data == 5.0


def test_unary_operators_conversions_and_orderings_are_forwarded(s):
    """-a, +a, abs, float, int and orderings are the student's; orderings give plain data."""
    v = s.Value(-1.5)

    assert ((-v).data, (+v).data, abs(v).data) == (1.5, -1.5, 1.5)
    assert (float(v), int(v)) == (-1.5, -1)
    assert [v < 0, v <= -1.5, v > 0, v >= -1.5, v > 5, 0 > v] == [True, True, False, True, False, True]
    assert (np.float64(1.0) > v, np.float64(-9.0) > v) == (True, False)


def test_arrays_on_the_left_leave_the_operation_to_the_handle(s):
    """An array does not take a handle apart: `array @ handle` and `array * handle` are one call of the student's."""
    m, v = np.arange(4.0).reshape(2, 2), s.Array(np.array([1.0, 2.0]))

    np.testing.assert_array_equal((m @ v).data, m @ [1.0, 2.0])
    np.testing.assert_array_equal((v @ m).data, [1.0, 2.0] @ m)
    np.testing.assert_array_equal((m * v).data, m * [1.0, 2.0])


def test_indexing_and_length(s):
    """h[i], h[i] = x, del h[i] and len(h); slices too."""
    box = s.Box(1, 2, 3)
    box[0] = 9
    del box[1]

    assert (len(box), box[0], box[-1]) == (2, 9, 3)
    with pytest.raises(IndexError):
        box[7]


@pytest.mark.parametrize(
    "use",
    [lambda v: v == v, lambda v: v != 1, lambda v: 1 == v, lambda v: np.float64(1) == v, lambda v: bool(v), lambda v: not v,
     lambda v: hash(v), lambda v: {v: 1}, lambda v: list(v), lambda v: iter(v), lambda v: 1 in v, lambda v: [*v],
     lambda v: v in [object()], lambda v: v and 1],
)  # fmt: skip
def test_what_would_let_the_student_judge_is_refused(s, use):
    """==, !=, bool, hash, iteration and `in` raise TypeError: the student's own __eq__ must never be the judge."""
    with pytest.raises(TypeError, match="submission's Value|not iterable"):
        use(s.Value(1))


def test_take_gives_the_first_items(s):
    """take() asks for a bounded number of items, of endless generators too."""
    assert take(s.numbers(), 4) == [0, 1, 2, 3]
    assert take(s.Box(1, 2), 5) == [1, 2]
    endless = s.numbers()
    assert (take(endless, 2), take(endless, 2)) == ([0, 1], [2, 3])


@pytest.mark.parametrize("name", ["load", "keep", "call", "get", "take", "request", "session"])
def test_names_of_the_helpers_stay_the_students(s, name):
    """A student's own `load`, `keep`, `call`, ... is reached by its name."""
    assert getattr(s, name)(3) == (name, 3)


def test_attributes_of_an_object_stay_the_students(s):
    """No name of the machinery hides an attribute of a student's object."""
    odd = s.Odd()

    assert [getattr(odd, n) for n in ("kind", "request", "number", "handle", "take", "owner", "ref")] == ["mine"] * 7
    assert (odd.keep(), odd.get()) == ("my keep", "my get")


def test_a_submission_is_not_changed_by_a_check(s):
    """Setting a name on the proxy is refused; double underscores are no names of the student's."""
    with pytest.raises(TypeError):
        s.load = 1
    assert not hasattr(s, "__len__")


def test_what_is_too_large_becomes_a_handle_and_can_be_worked_with(s):
    """A result of 72 MB stays in the worker, its sibling crosses, and a part can be fetched."""
    big, one = s.big()

    assert isinstance(big, Handle) and one == 1
    np.testing.assert_array_equal(s.pick(big), np.zeros((2, 2)))
    assert isinstance(s.bigger(), Handle)


def test_a_dict_with_functions_as_keys_is_a_handle(s):
    """Such a dict cannot be a dict here; it costs nothing to return one."""
    table, two = s.keyed()

    assert isinstance(table, Handle) and two == 2


# --- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "default", "empty", "pair", "cache", "frozen", "nested"])
def test_what_came_from_the_submission_is_its_own_object_again(s, kind):
    """A container, namedtuple or dataclass that is handed back is the very object that was returned."""
    assert s.is_it(s.made(kind)) is True


def test_inner_containers_are_the_students_own_too(s):
    """A part of a nested result is that part again."""
    made = s.made("nested")

    assert s.inner_is(made["c"][0]) is True
    assert [s.type_of(part) for part in made["c"]] == ["Cache", "Pair"]


def test_an_empty_container_keeps_its_type(s):
    """An empty defaultdict handed back still makes its lists."""
    assert s.group(s.made("default")) == {"new": [1]}


def test_records_arrive_as_read_only_tuples(s):
    """A namedtuple or dataclass is a tuple of its fields here, with its name."""
    pair, cache = s.made("pair"), s.made("cache")

    assert isinstance(pair, tuple) and pair[0] == 1 and pair.kind == "Pair"
    assert cache[1:] == ("plain", []) and cache.kind == "Cache"


def test_fresh_rebuilds_a_record_from_new_values(s):
    """fresh() of a dataclass crosses by value and is an instance of the student's class again, with its methods."""
    cache = s.made("cache")

    assert s.is_it(fresh(cache)) is False
    name, x, seen, norm = s.described(fresh(cache))
    assert (name, x.tolist(), seen, norm) == ("Cache", [1.0, 1.0, 1.0], [], 3.0)
    assert s.type_of(fresh(s.made("pair"))) == "Pair"
    assert s.described(fresh(s.made("frozen")))[:2] == ("Frozen", 4)


def test_fresh_gives_plain_writable_copies(s):
    """fresh() of containers and arrays can be changed, and crosses by value."""
    copy = fresh(s.made("dict"))
    copy["a"][0] = 5
    copy["b"]["new"] = 1

    assert type(copy) is dict and s.is_it(copy) is False
    assert s.made("dict")["a"][0] == 0


def test_what_is_received_is_read_only(s):
    """Arrays, lists and dicts of a result refuse to be changed."""
    made = s.made("dict")

    with pytest.raises(ValueError, match="read-only"):
        made["a"][0] = 1
    with pytest.raises(TypeError, match="fresh"):
        made["c"] = 1
    with pytest.raises(TypeError, match="fresh"):
        s.made("list").append(1)


def test_arguments_are_copies_that_the_submission_may_write_to(s):
    """The student's in-place work happens on a copy: the check's own array stays what it was."""
    x = np.zeros(2)
    x.flags.writeable = False

    np.testing.assert_array_equal(s.add_one(x), [1, 1])
    np.testing.assert_array_equal(x, [0, 0])


def test_the_same_array_twice_is_one_array(s):
    """Identity crosses in both directions; equal arrays stay two."""
    x = np.ones(2)
    first, (second, third) = s.twice()

    assert (s.same_array(x, x), s.same_array(x, x.copy()), s.same_array([x], [x])) == (True, False, False)
    assert first is second and third is not first


def test_layouts_are_kept_both_ways(s):
    """C, Fortran and strided arrays arrive as such, and come back as such."""
    x = np.arange(6.0).reshape(2, 3)

    assert s.flags(x) == [True, False, True, [2, 3]]
    assert s.flags(fortran(x)) == [False, True, True, [2, 3]]
    assert s.flags(noncontiguous(x)) == [False, False, True, [2, 3]]
    for kind, flags in {"C": (True, False), "F": (False, True), "S": (False, False)}.items():
        got = s.laid_out(kind)
        assert (got.flags.c_contiguous, got.flags.f_contiguous) == flags
    np.testing.assert_array_equal(s.laid_out("F"), np.arange(12.0).reshape(3, 4))


# --- generators ------------------------------------------------------------------------------------------------------


def test_a_generator_moves_on_here_as_it_did_there(s):
    """Its state crosses and its new state comes back: the next draws here follow those of the submission."""
    rng, own = np.random.default_rng(3), np.random.default_rng(3)

    np.testing.assert_array_equal(s.draws(rng, 4), own.standard_normal(4))
    np.testing.assert_array_equal(s.integers(rng), own.integers(0, 10, 3, dtype=np.uint32))  # half a number is kept
    assert rng.bit_generator.state == own.bit_generator.state
    assert rng.random() == own.random()


def test_drawing_nothing_leaves_a_generator_alone(s):
    """So a check can demand that nothing is drawn; taking back what was drawn counts as that too."""
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    s.draws(rng, 0)
    s.rewound(rng)

    assert rng.bit_generator.state == before


def test_one_generator_twice_is_one_generator(s):
    """Passed twice it is one object there, and advances here by both draws."""
    rng, own = np.random.default_rng(1), np.random.default_rng(1)
    same, a, b = s.two(rng, rng)

    assert (same, a, b) == (True, own.random(), own.random())
    assert rng.bit_generator.state == own.bit_generator.state


@pytest.mark.parametrize("cheat", ["replaced", "jumped"])
def test_a_submission_cannot_choose_the_next_draws(s, cheat):
    """A state that drawing cannot have led to would let a submission choose the inputs of the rest of the check."""
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state

    with pytest.raises(WorkerDied) as died:
        getattr(s, cheat)(rng)
    assert died.value.verdict is Verdict.VIOLATION
    assert rng.bit_generator.state == before


# --- functions that a check passes in --------------------------------------------------------------------------------


def test_callbacks_take_and_return_data(s):
    """A function of the check is called here with plain read-only data, by position and by name."""
    seen = []

    def f(x: Any, scale: int = 1) -> Any:
        seen.append(x)
        return {"y": x * scale}

    assert s.apply(f, 2, np.ones(2))[0] == {"y": 2}
    assert s.apply_named(f, 5) == {"y": 15}
    assert not seen[1].flags.writeable


def test_an_error_in_a_callback_reaches_the_submission_as_its_kind_alone(s):
    """The student's code sees a RuntimeError with the type's name, and nothing of the message."""

    def secret(x: Any) -> Any:
        raise ValueError("0.7352")

    assert s.swallow(secret, 1) == "ValueError in the function you were given"
    with pytest.raises(RuntimeError, match="ValueError in"):
        s.apply(secret, 1)


def test_an_assertion_inside_a_callback_decides_the_check(s):
    """Whatever the submission does with the failure, it is the check's."""

    def judge(x: Any) -> Any:
        assert x > 5, "only large arguments"

    with pytest.raises(AssertionError, match="only large"):
        s.swallow(judge, 1)
    with pytest.raises(AssertionError, match="only large"):
        s.apply(judge, 9, 1)
    assert s.negated(1) == -1  # and is forgotten with it


def test_too_many_callbacks_end_the_worker(s, monkeypatch):
    """A submission that calls a function for ever is stopped: a violation."""
    monkeypatch.setattr("grader.remote.session.MAX_CALLBACKS", 200)
    calls = []

    with pytest.raises(WorkerDied) as died:
        s.forever(calls.append)
    assert died.value.verdict is Verdict.VIOLATION
    assert len(calls) == 200 < MAX_CALLBACKS


def test_a_callback_may_call_the_submission_in_its_turn(s):
    """Calls nest: each reply belongs to its own call."""

    def f(n: int) -> Any:
        return [n, s.deeper(f, n - 1)] if n else s.negated(7)

    assert s.deeper(f, 3) == [3, [2, [1, -7]]]
    assert s.negated(2) == -2


def test_an_error_of_a_nested_call_is_not_lost(s):
    """A nested call that raises is an error in the function that was given; the session goes on."""
    assert s.swallow(lambda n: s.fails(n), 5) == "IndexError in the function you were given"
    assert s.negated(2) == -2


def test_endless_nesting_ends_the_worker(s):
    """Calls within calls within calls have an end."""
    depth = []

    def f(n: int) -> Any:
        depth.append(n)
        return s.deeper(f, n + 1)

    with pytest.raises(WorkerDied) as died:
        s.deeper(f, 0)
    assert died.value.verdict is Verdict.VIOLATION
    assert len(depth) == MAX_NESTING


def test_a_function_of_the_submission_is_passed_as_itself(s):
    """As an argument submission.f is the student's own function: no detour through here."""
    assert s.name_of(s.negated) == "negated"
    assert s.apply(s.negated, 1, 2) == [-1, -2]
    box = s.Box(1)
    assert s.apply(box.add, 5) and box.items == [1, 5]


# --- helpers ---------------------------------------------------------------------------------------------------------


@in_worker
def poke(box, at, value, name="items"):
    getattr(box, name)[at] = value
    return len(box.items)


@in_worker
def touch(cache):
    cache.seen.append(1)
    return cache.norm()


@in_worker
def count_names(module):
    return sum(name in vars(module) for name in ("Value", "Box", "nothing"))


def test_in_worker_runs_where_the_object_is(s):
    """A small function of the check works on the student's own objects, the module and containers included."""
    box, cache = s.Box(1, 2), s.made("cache")

    assert poke(box, 1, np.ones(2)) == 2
    np.testing.assert_array_equal(box[1], [1, 1])
    assert count_names(s) == 2
    assert touch(cache) == 3.0
    assert s.described(cache)[2] == [1]


def test_in_worker_wants_something_of_the_submission():
    """Without an argument of the submission nobody knows in which worker to run."""
    with pytest.raises(TypeError, match="argument of the submission"):
        poke([1], 0, 2)


def test_keep_leaves_the_result_there(s):
    """keep() gives a handle even where the result is data."""
    kept = keep(s.made)("list")

    assert isinstance(kept, Handle)
    assert s.is_it(kept) is True
    assert take(kept, 1) == [1]
    assert isinstance(keep(s.Box(1, 2))(3), Handle)


def test_another_workers_things_are_refused(s, opened):
    """A handle or function of one worker means nothing to another; the check that passes it is told so."""
    other = RemoteModule(opened(SOURCE))
    box, state = s.Box(1), s.made("list")

    with pytest.raises(TypeError, match="another worker"):
        other.type_of(box)
    with pytest.raises(TypeError, match="another worker"):
        other.apply(s.negated, 1)
    assert other.type_of(state) == "list"  # data of another worker is plain data


def test_what_cannot_be_sent_is_an_error_of_the_check(s):
    """An object, an array of objects or a generator of another kind as an argument: a TypeError, and all goes on."""
    for thing in (object(), np.array([object()]), np.random.Generator(np.random.MT19937(0)), {1, 2}, 1 << 65):
        with pytest.raises(TypeError, match="cannot be sent"):
            s.negated(thing)
    assert s.negated(1) == -1


# --- errors ----------------------------------------------------------------------------------------------------------


def test_errors_keep_their_family_their_text_and_their_line(s):
    """A student's error is the built-in of its name or of its nearest built-in base, with the student's own frames."""
    with pytest.raises(ZeroDivisionError) as own:
        s.raises("own", "deep", 2)
    with pytest.raises(LookupError, match="'k'") as key:
        s.raises("key", "k")

    line = next(i for i, text in enumerate(SOURCE.splitlines(), 1) if text.startswith("def raises"))
    assert isinstance(own.value, StudentError)
    assert (own.value.type_name, own.value.mro[:2]) == ("OwnError", ["OwnError", "ZeroDivisionError"])
    assert own.value.frames == [(line, "raises")]
    assert key.value.is_a("KeyError") and not key.value.is_a("ValueError")


def test_line_numbers_outside_the_file_are_dropped(opened):
    """A frame of a made-up line could carry an input out of a hidden check."""
    made_up = "def f(x):\n    exec(compile('\\n' * 735217 + '1 / 0', '<submission>/work.py', 'exec'))\n"

    with pytest.raises(ZeroDivisionError) as error:
        RemoteModule(opened(made_up)).f(1)
    assert error.value.frames == [(2, "f")]


def test_a_name_that_is_not_there_is_missing(s):
    """A missing function and a missing attribute are told apart from errors of the student's code."""
    for ask in (lambda: s.nothing(1), lambda: s.Box().nothing):
        with pytest.raises(StudentError) as error:
            ask()
        assert error.value.is_a("MissingName")


def test_a_large_source_in_any_script_loads(opened):
    """A file of almost a megabyte loads, whatever its characters."""
    source = "# " + "\u4e2d" * 330_000 + "\ntext = '\\ud800'\ndef f(): return 1\n"

    assert RemoteModule(opened(source)).f() == 1


def test_what_a_helper_of_one_check_kept_is_gone_in_the_next(opened):
    """Each check starts without the objects of earlier ones."""
    session = opened(SOURCE)
    s = RemoteModule(session)
    box = s.Box(1)
    session.begin_check(0)

    with pytest.raises(KeyError):
        box.items  # noqa: B018


# --- what a call did besides returning -------------------------------------------------------------------------------


def test_observations_cross(s):
    """observe() and assert_pure() see through both transports."""
    seen = observe(s.add_one)(np.zeros(2))

    assert (seen.changed, seen.aliases) == (("0",), (("result", "0"),))
    assert assert_pure(s.negated, 3) == -3


# --- torch -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "worker"])
def torch_session(request: pytest.FixtureRequest) -> RemoteModule:
    pytest.importorskip("torch")
    if request.param == "in memory":
        return RemoteModule(in_memory(TORCH))
    return RemoteModule(request.getfixturevalue("piped")(TORCH, "torch"))


def test_gradients_are_asked_for_where_the_graph_is(torch_session):
    """keep, vjp, tensor and grads: a graph lives in the worker, its gradients come back as data."""
    import torch

    s = torch_session
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = keep(s.square)(x)
    (gradient,) = vjp(y, [x], np.array([1.0, 10.0, 100.0]))
    model = s.Model()
    total = keep(s.loss)(model, torch.tensor([4.0, 5.0], dtype=torch.float64))
    total.backward()

    assert gradient.tolist() == [2.0, 40.0, 600.0]
    assert vjp(keep(s.square)(x), [tensor_of(s), x], np.ones(3))[0] is None
    assert grads(model)["w"].tolist() == [4.0, 5.0] and grads(model)["unused"] is None
    assert s.flags(x) == (True, True, "torch.float64")
    assert s.flags(tensor([1])) == (False, True, "torch.int64")


def tensor_of(s: RemoteModule) -> Any:
    """A leaf that has been in the worker, though not in the graph that is asked about."""
    leaf = tensor([1.0], requires_grad=True)
    s.flags(leaf)
    return leaf


def test_what_a_callback_returns_may_be_written_to():
    """An array that a function of the check answers with is the submission's own, as its arguments are."""
    session = in_memory_session(
        {"s.py": "def f(g, x):\n    y = g(x)\n    y[0] = 5.0\n    return y\n"}, "s", ["numpy"], []
    )
    (first, second) = RemoteModule(session).f(lambda x: x * 2, np.array([1.0, 2.0]))
    assert (first, second) == (5.0, 4.0)
