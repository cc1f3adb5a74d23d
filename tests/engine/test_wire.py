"""The wire: what crosses comes back the same, and what must not cross is refused before it costs anything."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import math
import random
import sys
import time
import tracemalloc
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader import wire

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


class Kept:
    """Stands for a worker that keeps what is not data."""

    def __init__(self) -> None:
        self.objects: list[Any] = []

    def __call__(self, value: Any) -> dict[str, Any]:
        self.objects.append(value)
        return {"h": [len(self.objects) - 1, type(value).__name__[:80], callable(value)]}


class Stays(str):
    """A decoded handle: the name of the type of what stayed behind."""


def no_special(tag: str, node: Any) -> Any:
    raise wire.WireError("an unknown tag")


def handles(tag: str, node: dict[str, Any]) -> Any:
    if tag == "h":
        return Stays(node["h"][1])
    raise wire.WireError("an unknown tag")


def frame_of(value: Any, **options: Any) -> bytes:
    encoder = wire.Encoder(Kept(), **options)
    return b"".join(wire.pack({"value": encoder.encode(value)}, encoder).framed())


def payload_of(frame: bytes) -> wire.Payload:
    return wire.Payload(wire.parse_head(frame[: wire.HEAD.size]).header, [frame[wire.HEAD.size :]])


def opened(frame: bytes, *, frozen: Any = None, special: Any = handles) -> Any:
    message, arrays = wire.parse(payload_of(frame))
    return wire.Decoder(arrays, special, frozen=frozen).decode(message["value"])


def crossed(value: Any, **options: Any) -> Any:
    return opened(frame_of(value), **options)


def same(a: Any, b: Any) -> bool:
    """Equal in type, dtype, shape, layout and every bit, nan and the sign of zero included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        layouts = [(x.flags.c_contiguous, x.flags.f_contiguous) for x in (a, b)]
        return a.dtype == b.dtype and a.shape == b.shape and layouts[0] == layouts[1] and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or math.isnan(a) and math.isnan(b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(k, l) and same(v, w) for (k, v), (l, w) in zip(a.items(), b.items(), strict=True)
        )
    return bool(a == b)


# --- what crosses ----------------------------------------------------------------------------------------------------

dtypes = st.sampled_from(sorted(wire.DTYPES)).map(np.dtype)
texts = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates and NUL included
big_ints = st.integers(-(2**64) + 1, 2**64 - 1)


@st.composite
def arrays(draw: Any) -> np.ndarray:
    """Every dtype, 0-d and empty included, in C order, in Fortran order or strided."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    values = draw(hnp.arrays(draw(dtypes), shape))
    layout = draw(st.sampled_from("CFS"))
    if layout == "F":
        return np.asfortranarray(values)
    if layout == "S" and values.ndim:
        wide = np.zeros((*shape[:-1], 2 * shape[-1]), values.dtype)
        wide[..., ::2] = values
        return wide[..., ::2]
    return values


scalars = st.one_of(
    st.none(), st.booleans(), big_ints, st.floats(), st.complex_numbers(), texts, st.binary(max_size=9),
    dtypes.flatmap(lambda d: hnp.arrays(d, ())).map(lambda a: a[()]),
)  # fmt: skip
keys = st.recursive(scalars, lambda inner: st.tuples(inner, inner), max_leaves=3)
values = st.recursive(
    st.one_of(scalars, arrays()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=12,
)


@QUICK
@given(values)
def test_nested_data_comes_back_the_same(value):
    """Any nesting of numbers, texts, bytes, arrays, tuples, lists and dicts with odd keys arrives bit for bit."""
    assert same(value, crossed(value))


@QUICK
@given(values)
def test_the_judge_receives_equal_but_read_only_data(value):
    """On the judge's side containers are subclasses that equal the sender's, and no array can be written."""
    received = crossed((value, np.zeros(3)), frozen=object())

    assert repr(received) == repr((value, np.zeros(3)))
    with pytest.raises(ValueError, match="read-only"):
        received[1][0] = 1


@pytest.mark.parametrize(
    "value", [np.longlong(3), np.array([1, 2], np.longlong), np.ulonglong(2), np.intc(1), np.float64("nan")]
)
def test_aliases_of_a_dtype_cross(value):
    """`long long` is another type object than int64 on some systems, but the same dtype."""
    assert crossed(value).dtype == value.dtype


def test_one_array_passed_twice_stays_one():
    """The same object is sent once and arrives as one object; an equal one is another."""
    x = np.arange(3.0)
    first, (second, third) = crossed((x, [x, x.copy()]))

    assert first is second
    assert third is not first


def test_arrays_arrive_as_copies_of_their_own():
    """What arrives owns its memory and can be written to, also where the sender's could not."""
    x = np.arange(4.0)
    x.flags.writeable = False
    arrived = crossed(x)
    arrived[0] = 9

    assert x[0] == 0


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


@dataclasses.dataclass
class Unset:
    x: Any = dataclasses.field(init=False)


def test_relatives_of_plain_data_are_converted_not_refused():
    """OrderedDict, defaultdict, namedtuple, dataclass, IntEnum, np.recarray and the like cross as their base."""
    colour = enum.IntEnum("colour", "RED")
    counts = collections.defaultdict(int, a=1)

    assert same({"a": 1}, crossed(counts))
    assert same({"b": 2}, crossed(collections.OrderedDict(b=2)))
    assert same((1, [2]), crossed(Pair(1, [2])))
    assert same((1, (2, 3)), crossed(Point(1, Pair(2, 3))))
    assert same(1, crossed(colour.RED))
    assert same(np.zeros(1), crossed(np.zeros(1).view(np.recarray)))


def test_the_judge_learns_the_name_of_a_record():
    """A namedtuple or dataclass arrives as a tuple that knows what it was called there."""
    received = crossed([Pair(1, 2), Point(1, 2), (1, 2)], frozen=object())

    assert ["Pair", "Point", None] == [r.kind for r in received]


# --- tensors ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def test_every_tensor_dtype_crosses(torch):
    """Values, dtype and shape of tensors of every dtype of the list, 0-d and empty included; bfloat16 too."""
    for name in sorted(wire.TENSOR_DTYPES):
        for shape in ((), (0, 2), (2, 3)):
            sent = torch.tensor(np.arange(6)[: math.prod(shape)].reshape(shape)).to(getattr(torch, name))
            got = crossed(sent)
            assert got.dtype == sent.dtype and got.shape == sent.shape
            assert torch.equal(got, sent)


def test_tensors_keep_their_gradient_flag_layout_and_identity(torch):
    """requires_grad crosses, also for complex numbers; strides keep their kind; one tensor passed twice stays one."""
    leaf = torch.ones(2, 3, requires_grad=True)
    graph = leaf * 2
    flags = [
        crossed(t).requires_grad
        for t in (leaf, graph, torch.ones(2), torch.ones(2, dtype=torch.complex64, requires_grad=True))
    ]
    one, other = crossed([leaf, leaf])

    assert [True, True, False, True] == flags
    assert crossed(graph).is_leaf
    assert one is other
    assert crossed(torch.ones(2, 3).t()).stride() == (1, 3)
    assert torch.equal(crossed(torch.tensor([1 + 2j]).conj()), torch.tensor([1 - 2j]))
    assert isinstance(crossed(torch.nn.Parameter(torch.ones(1))), torch.Tensor)


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_dense_cpu_tensor_stays_behind(torch):
    """Sparse, quantised, meta and nested tensors become handles."""
    odd = [
        torch.eye(2).to_sparse(),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        torch.ones(2, device="meta"),
        torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
        torch.ones(2).to(torch.float8_e5m2),
    ]
    assert ["Tensor"] * len(odd) == crossed(odd)


def test_an_expanded_tensor_is_refused_by_its_claimed_size(torch):
    """expand() costs no memory, its dense copy would."""
    assert ["Tensor"] == crossed([torch.zeros(1).expand(10**5, 10**5)])


# --- caps ------------------------------------------------------------------------------------------------------------


def measured(action: Any) -> int:
    """Bytes that an action had allocated at its peak."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


TOO_LARGE = {
    "claims 8 TB": np.broadcast_to(0, (10**6, 10**6)),
    "65 MB": np.broadcast_to(np.uint8(0), 65 << 20),
    "no bytes, but sums of 4 TB": np.broadcast_to(0.0, (2**39, 0)),
    "too deep": None,
    "cyclic": None,
    "65 bits": 1 << 64,
    "two million letters": "x" * 2_000_000,
    "many letters of six bytes each": "\u4e2d" * 400_000,
    "many numbers": [0] * 100_001,
    "long numbers": [1 / 3] * 60_000,
    "many arrays": [np.zeros(())] * 100_001,
    "many little arrays": [np.float64(i) for i in range(50_000)],
    "many keys": {i: None for i in range(wire.MAX_KEYS + 1)},
}
deep: list[Any] = []
for _ in range(wire.MAX_DEPTH + 5):
    deep = [deep]
TOO_LARGE["too deep"] = deep
cyclic: list[Any] = []
cyclic.append(cyclic)
TOO_LARGE["cyclic"] = cyclic


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_stays_behind_while_its_siblings_cross(name):
    """A result with one part beyond a limit: that part becomes a handle, the others arrive."""
    first, stays, last = crossed((np.ones(2), TOO_LARGE[name], [3]))

    while isinstance(stays, list) and len(stays) == 1:
        (stays,) = stays  # as deep as the limit allows, containers cross too

    assert same(np.ones(2), first) and same([3], last)
    assert isinstance(stays, Stays)


@pytest.mark.parametrize("name", [n for n in TOO_LARGE if n not in ("cyclic", "too deep", "many arrays")])
def test_what_is_too_large_alone_is_refused(name):
    """By itself it raises TooLarge, from which the worker makes a handle."""
    with pytest.raises(wire.TooLarge):
        wire.Encoder(Kept()).child(TOO_LARGE[name], 5)


@pytest.mark.parametrize("name", ["claims 8 TB", "65 MB", "no bytes, but sums of 4 TB", "65 bits"])
def test_refusing_allocates_nothing(name):
    """Sizes are looked at before any copy is made."""
    assert measured(lambda: frame_of((TOO_LARGE[name],))) < 1 << 20


def test_one_message_has_one_budget():
    """Several results of 40 MB each: the first crosses, the rest stays behind."""
    part = np.broadcast_to(np.uint8(1), 40 << 20)
    got = crossed([part, part.view(), np.ones(1)])

    assert [np.ndarray, Stays, np.ndarray] == [type(g) for g in got]


def test_a_dropped_array_leaves_no_trace():
    """An array sent only inside what had to stay behind is sent again where it fits."""
    x = np.arange(3.0)
    stays, got = crossed([[x, np.broadcast_to(0, (10**6, 10**6)), x], x][::1])

    assert same(x, got)
    assert same(x, stays[0]) and isinstance(stays[1], Stays)


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.array(["text"]), np.zeros(2, ">f8"), np.zeros(1, "f8,i4"), np.zeros(1, np.longdouble),
     np.array(1, "M8[s]"), {1, 2}, range(3), object(), len, iter([])],
)  # fmt: skip
def test_what_is_no_data_stays_behind(value):
    """Arrays of objects, of texts, of the other byte order, sets, iterators and functions become handles."""
    assert crossed([value]) == [type(value).__name__]


@pytest.mark.parametrize("key", [object(), len, frozenset([1]), (1, (object(),))])
def test_a_dict_with_objects_as_keys_stays_behind(key):
    """A handle has no hash, so such a dict is kept whole; it is no fault of the one who returns it."""
    assert ["dict", 3] == crossed([{key: 1}, 3], frozen=object())


def test_a_record_without_its_fields_is_reported_as_an_error():
    """A dataclass whose field was never set raises where it is encoded, in the worker."""
    with pytest.raises(AttributeError):
        frame_of(Unset())


# --- broken frames ---------------------------------------------------------------------------------------------------


def frame(message: Any, specs: Any = (), body: bytes = b"") -> bytes:
    header = json.dumps({"m": message, "a": list(specs)}).encode()
    return raw(header, body)


def head(header: int, body: int, sort: bytes = wire.PLAIN) -> bytes:
    return wire.HEAD.pack(wire.MAGIC, sort, wire.NO_NUMBER, header, body)


def raw(header: bytes, body: bytes = b"") -> bytes:
    return head(len(header), len(body)) + header + body


def nested(depth: int) -> Any:
    node: Any = None
    for _ in range(depth):
        node = {"l": [node]}
    return node


ONE = ["float64 1 C"]
EIGHT = b"\0" * 8
BROKEN = [
    b"", b"GRD2", b"X" * 24, b"PICK" + bytes(20), head(1 << 30, 0), head(2, 1 << 40), head(2, 0, b"!") + b"{}", b"GRD1" + head(2, 0)[4:] + b"{}",
    raw(b""), raw(b"{"), raw(b"null"), raw(b"[]"), raw(b"{}"), raw(b'{"m":1,"a":[]}'), raw(b'{"m":{},"a":{}}'), raw(b'{"m":{}}'),
    raw(b"\xff\xfe"), raw('{"m":{"value":"\u00e9"},"a":[]}'.encode()), raw(b"[" * 100_000), raw(b'{"m":{"value":NaN},"a":[]}'),
    raw(b'{"m":{"value":Infinity},"a":[]}'), raw(b'{"m":{"value":' + b"9" * 5000 + b'},"a":[]}'),
    raw(b'{"m":{"value":' + b"9" * 40 + b'},"a":[]}'), raw(b'{"m":{},"a":[]}', b"x"), raw(b'{"m":{},"a":[null]}'),
    *(frame({"value": node}) for node in (
        [], {}, [1], {"?": 1}, {"l": 1}, {"l": {}}, {"t": "ab"}, {"d": 1}, {"d": [1]}, {"d": [[1]]}, {"d": [[1, 2, 3]]},
        {"d": [[{"l": []}, 1]]}, {"d": [[{"d": []}, 1]]}, {"a": 0}, {"a": -1}, {"a": None}, {"a": True}, {"a": 1.0}, {"s": 0},
        {"y": 0}, {"T": 0}, {"T": []}, {"T": [0, "float64", False]}, {"T": [0, [], False]}, {"f": 1}, {"f": "1"}, {"f": []},
        {"i": 3}, {"i": "zz"}, {"i": "0x" + "f" * 17}, {"i": "-0x1" + "0" * 16}, {"i": "9" * 5000}, {"i": "1_0" * 9}, {"c": 1}, {"c": [1]},
        {"c": [1, "2"]}, {"c": [{"l": []}, 1]}, {"rec": 0}, {"rec": 0, "values": 0}, {"h": []}, {"fn": []}, {"cb": 0}, {"g": 0}, {"ref": 0},
        nested(40), {"l": [None] * 250_000}, {"d": [[i, None] for i in range(20_000)]}, {"d": [[{"a": 0}, None]]},
    )),
    *(frame({"value": {"a": 0}}, [spec], body) for spec, body in (
        (1, b""), ([], b""), (["float64", [1], "C"], EIGHT), ("", EIGHT), ("float64", EIGHT), ("float64 C", EIGHT), ("float64 1", EIGHT), ("float64 1 C 0", EIGHT),
        ("object 1 C", EIGHT), ("O 1 C", EIGHT), ("<f8 1 C", EIGHT), ("float128 1 C", EIGHT * 2), (" 1 C", EIGHT), ("float64 x C", EIGHT), ("float64 1, C", EIGHT),
        ("float64 -1 C", b""), ("float64 +1 C", EIGHT), ("float64 1.0 C", EIGHT), ("float64 1_0 C", EIGHT * 10), ("float64 \u0661 C", EIGHT), ("float64 \u00b9 C", EIGHT),
        ("float64 1 X", EIGHT), ("float64 1 ", EIGHT), ("float64 1 CC", EIGHT), ("float64  1 C", EIGHT), ("float64 2 C", EIGHT), ("float64 1 C ", EIGHT),
        ("float64 0 C", EIGHT), (f"float64 {2**39},0 C", b""), (f"float64 0,{2**39} S", b""), (f"float64 {2**62},{2**62} C", b""), (f"float64 {10**30} C", b""),
        ("float64 1" + ",1" * 32 + " C", EIGHT), (f"float64 {1 << 31},0 C", EIGHT), (f"uint8 {65 << 20} C", b""), ("float64 " + "0" * 9999 + "1 C", EIGHT),
    )),
    frame({"value": {"s": 0}}, ONE, EIGHT), frame({"value": {"T": [0, "float32", False]}}, ONE, EIGHT),
    frame({"value": {"T": [0, "float64", 1]}}, ONE, EIGHT), frame({"value": {"T": [0, "uint64", False]}}, ["uint64 1 C"], EIGHT),
    frame({"value": {"d": [[{"a": 0}, 1]]}}, ONE, EIGHT), frame({}, ONE * 2, EIGHT),
]  # fmt: skip


def receive(data: bytes) -> Any:
    """What a judge does with the bytes of a worker; only WireError may come out of it."""
    if len(data) < wire.HEAD.size:
        raise wire.WireError("cut off")
    header = wire.parse_head(data[: wire.HEAD.size])
    if len(data) != wire.HEAD.size + header.header + header.body:
        raise wire.WireError("cut off")
    message, found = wire.parse(wire.Payload(header.header, [data[wire.HEAD.size :]]))
    return wire.Decoder(found, no_special, frozen=object()).decode(message.get("value", {"?": 0}))


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_frames_are_refused(number):
    """Each frame of the corpus ends in a WireError, and none makes the judge allocate much."""

    def refused() -> None:
        with pytest.raises(wire.WireError):
            receive(BROKEN[number])

    refused()  # torch may be imported here, once
    assert measured(refused) < 100 << 20


def seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    some: list[Any] = [
        (rng.standard_normal((2, 3)), {"a": [1, 2.5, None, True], 3: (b"xyz", "text\ud800")}, 2**60, -math.inf),
        [
            np.float32(2),
            np.asfortranarray(rng.standard_normal((3, 2))),
            rng.standard_normal((2, 6))[:, ::2],
            3 + 4j,
            np.zeros((0, 4)),
        ],
        {"dW": np.ones((2, 2), np.float16), "flags": np.array([True, False])},
    ]
    return [frame_of(value) for value in some]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A frame with bits flipped, bytes replaced, cut out, doubled or inserted, its lengths put right again or not."""
    bad = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(bad))
        action = rng.randrange(5)
        if action == 0:
            bad[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            bad[at] = rng.choice(b'0123456789"[]{},:-.eEtfnlda\\')
        elif action == 2:
            del bad[at : at + rng.randint(1, 8)]
        elif action == 3:
            bad[at:at] = bad[at : at + rng.randint(1, 16)]
        else:
            bad[at:at] = rng.randbytes(rng.randint(1, 8))
        bad = bad or bytearray(b"x")
    end = bytes(bad).rfind(b"}", 0, bytes(bad).find(b'"]}') + 3 if b'"]}' in bad else len(bad))
    if rng.random() < 0.7 and len(bad) > wire.HEAD.size and end > wire.HEAD.size:
        blanks = len(bad) - end - 1 - len(bad[end + 1 :].lstrip(b" "))  # the header is filled up with them
        header = end + 1 + blanks - wire.HEAD.size
        bad[: wire.HEAD.size] = head(header, max(0, len(bad) - wire.HEAD.size - header))
    return bytes(bad)


def test_tens_of_thousands_of_damaged_frames_raise_nothing_but_wire_errors():
    """Random damage to honest frames: the data of another frame, or a WireError; never another error, never much memory."""
    rng, good, refused, accepted = random.Random(5), seeds(), 0, 0

    def all_of_them() -> None:
        nonlocal refused, accepted
        for i in range(30_000):
            try:
                receive(damaged(good[i % len(good)], rng))
                accepted += 1
            except wire.WireError:
                refused += 1

    assert measured(all_of_them) < 100 << 20
    assert refused > 5_000 and accepted > 500  # the damage is neither hopeless nor harmless


def mangled_node(node: Any, rng: random.Random) -> Any:
    """A message whose JSON is well formed but whose nodes are not."""
    odd = [None, True, -1, 0, 3, 1 << 70, 1e300, "", "x", [], {}, {"l": []}, {"a": 0}, {"a": 9}, {"s": 1}, {"T": [0, "float64", True]},
           {"T": [0, "bfloat16", True]}, {"i": "0xff"}, {"f": "nan"}, {"c": [1, 1 << 62]}, {"d": [[{"f": "nan"}, 1]] * 2}, {"y": 1}, {"rec": 1, "values": []},
           {"l": [], "ref": "x"}, {"t": [1], "ref": 1 << 60, "kind": 3}, {"d": [], "kind": "k" * 999}]  # fmt: skip
    if rng.random() < 0.15:
        return rng.choice(odd)
    if isinstance(node, list):
        return [mangled_node(child, rng) for child in node] if rng.random() < 0.95 else node[1:] * 2
    if isinstance(node, dict):
        return {
            (rng.choice("ltdasyTfichg") if rng.random() < 0.05 else k): mangled_node(v, rng) for k, v in node.items()
        }
    return node


def test_mangled_nodes_raise_nothing_but_wire_errors():
    """Well-formed JSON with nodes in the wrong places: data or a WireError, and never a crash."""
    rng, outcomes = random.Random(6), collections.Counter()
    good = [
        (json.loads(f[wire.HEAD.size : wire.HEAD.size + wire.parse_head(f[: wire.HEAD.size]).header]), f)
        for f in seeds()
    ]
    for i in range(10_000):
        header, original = good[i % len(good)]
        length = wire.parse_head(original[: wire.HEAD.size]).header
        specs = mangled_node(header["a"], rng) if rng.random() < 0.2 else header["a"]
        text = json.dumps({"m": {"value": mangled_node(header["m"]["value"], rng)}, "a": specs}).encode()
        try:
            receive(raw(text, original[wire.HEAD.size + length :]))
            outcomes["accepted"] += 1
        except wire.WireError:
            outcomes["refused"] += 1

    assert min(outcomes["accepted"], outcomes["refused"]) > 500


def test_bytes_that_are_no_truth_value_become_one():
    """A bool array of other bytes than 0 and 1 would compare as both true and false."""
    got = receive(frame({"value": {"a": 0}}, ["bool 3 C"], b"\0\2\xff"))

    assert same(np.array([False, True, True]), got)
    assert got.view(np.uint8).max() == 1


def test_keys_whose_hashes_collide_do_not_hold_up_the_judge():
    """A dict of keys that all have one hash would take quadratic time; the number of such keys is bounded."""
    pairs = [(float(-sys.hash_info.imag * i), float(i)) for i in range(wire.MAX_KEYS + 1)]
    nodes = [[{"c": pair}, None] for pair in pairs]
    assert len({hash(complex(*pair)) for pair in pairs}) < 5

    start = time.process_time()
    receive(frame({"value": {"d": nodes[:-1]}}))
    assert time.process_time() - start < 5
    with pytest.raises(wire.WireError):
        receive(frame({"value": {"d": nodes}}))


def test_a_large_frame_for_the_judge_is_refused_from_its_head():
    """The caps hold for the announced lengths, before a byte of the rest is awaited; requests may be larger."""
    big = head(10, wire.MAX_REPLY + 1)

    with pytest.raises(wire.TooLarge):
        wire.parse_head(big)
    assert wire.parse_head(big, wire.MAX_REQUEST)[2:] == (10, wire.MAX_REPLY + 1)


# --- containers that stand for the worker's own ----------------------------------------------------------------------


def refs() -> tuple[wire.Encoder, list[Any]]:
    named: list[Any] = []

    def remember(container: Any) -> int:
        named.append(container)
        return len(named) - 1

    return wire.Encoder(Kept(), remember), named


def test_containers_go_back_as_references_to_their_owner_alone():
    """What came from a worker crosses back as a reference; to any other worker it is plain data."""
    encoder, named = refs()
    sent = {"w": [1, 2], "e": {}}
    data = b"".join(wire.pack({"value": encoder.encode(sent)}, encoder).framed())
    owner = object()
    received = opened(data, frozen=owner)

    home = wire.Encoder(Kept(), owner=owner)
    away = wire.Encoder(Kept(), owner=object())
    assert {"ref": named.index(sent)} == home.encode(received)
    assert home.encode(received["e"]) == {"ref": next(i for i, n in enumerate(named) if n is sent["e"])}
    assert "d" in away.encode(received)


@pytest.mark.parametrize("change", [
    lambda r: r["l"].append(1), lambda r: r["l"].__setitem__(0, 1), lambda r: r["l"].sort(), lambda r: r["l"].__iadd__([1]),
    lambda r: r["d"].update(a=1), lambda r: r["d"].__setitem__("a", 1), lambda r: r["d"].pop("k"), lambda r: r["d"].__ior__({}),
    lambda r: r.clear(), lambda r: r["d"].setdefault("a", 1), lambda r: r["l"].__delitem__(0), lambda r: r["l"].reverse(),
])  # fmt: skip
def test_received_containers_are_read_only(change):
    """Every way to change a received list or dict is refused, with the way out."""
    received = crossed({"l": [3, 2], "d": {"k": 1}}, frozen=object())

    with pytest.raises(TypeError, match="fresh"):
        change(received)
