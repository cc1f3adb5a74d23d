"""What crosses between judge and worker: framing, data encoding, and the limits of both.

A frame is ``head | header (JSON) | body (raw array buffers)``, its head ``magic | sort | number | header length u32 |
body length u64``. The header is ``{"m": message, "a": ["dtype shape layout", ...]}``; buffer k of the body belongs to
entry k of "a". Containers are tagged like everything else, so data can never look like a tag, and every size is checked
before memory is allocated for it. Nothing here evaluates, unpickles or imports what the other side names.

Judge and worker take turns. Each frame of the judge has a number drawn at random, and the worker's next frame must bear
it, so that no frame can be written before the one that it follows. Header and body, the payload, are the same in every
run in which the same is said.

Message kinds (the closed list): requests `load`, `give`, `call`, `get`, `set`, `operator`, `take`, `helper`; replies
`value`, `raised`, or, by the sort of the frame, a callback; a judge answers a callback with `result` or `failed`, or
first with requests of its own, each of which is replied to. No message can say "passed".
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import struct
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"GRD2"
HEAD = struct.Struct("<4sc7sIQ")
PLAIN, CALLBACK = b".", b"?"  # sorts of frames: a worker's callback wants an answer before its reply can come
NO_NUMBER = bytes(7)
ALIGNMENT = 16  # of the body within a frame
MAX_HEADER = 1 << 20
MAX_REPLY = 64 << 20
MAX_REQUEST = 1 << 30
MAX_DEPTH = 32
MAX_NODES = 100_000
MAX_TEXT = 1 << 20
MAX_AXES = 32
MAX_SPEC = 512  # characters that describe an array
CHUNK = 1 << 20  # bytes that are read or written at once
MAX_KEYS = 2_000  # of a dict, unless all are texts: a worker can choose other keys so that their hashes collide
SMALL = 1 << 16  # bytes of an array that are copied rather than looked at in place
MAX_EXTENT = 1 << 31  # product of the non-zero dimensions: shape (2**39, 0) has no bytes, but its sum over axis 1 has

DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64 complex128".split()
    )
}
TENSOR_DTYPES = DTYPES.keys() - {"uint16", "uint32", "uint64"} | {"bfloat16"}


NAMES = {dtype: name for name, dtype in DTYPES.items()}  # of native dtypes; `dtype.name` is computed anew each time
_dump = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode  # nodes are trees
_load = json.JSONDecoder(parse_constant=lambda name: _refuse(f"the number {name}")).decode


def _refuse(what: str) -> Any:
    raise ValueError(what)


class WireError(Exception):
    """Bytes or values that this format does not carry."""


class TooLarge(WireError):
    """A value that would break a limit of the format."""


class NotRead(AssertionError):
    """A check computes with an array that is far larger than what it expects, and so was not read."""


def _not_read(self: DroppedArray, *_: Any, **__: Any) -> Any:
    raise NotRead(f"a {self.dtype} array of shape {self.shape} was returned, which is far more than is asked for")


class DroppedArray:
    """An array that was left unread: its dtype and shape. Whoever asks for more finds that the check has failed."""

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...], is_tensor: bool = False) -> None:
        self.dtype, self.shape, self.is_tensor = dtype, shape, is_tensor
        self.ndim = len(shape)

    __hash__ = None  # type: ignore[assignment]
    refuse = __getattr__ = __array__ = __array_ufunc__ = __array_function__ = __torch_function__ = _not_read
    __len__ = __iter__ = __getitem__ = __contains__ = __bool__ = __float__ = __int__ = __index__ = _not_read
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __pos__ = __abs__ = __invert__ = _not_read
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _not_read
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _not_read
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _not_read


class Received:
    """Mixin of containers that came from a worker: remembers which object of the worker it stands for."""

    owner: Any = None
    ref: int | None = None


class FreshRecord(tuple):
    """New values for a namedtuple or dataclass of the submission, which is rebuilt from them in the worker."""

    owner: Any = None
    ref: int | None = None


def _read_only(*_: Any, **__: Any) -> Any:
    raise TypeError("what a check receives is read-only; make a copy with fresh() first")


class FrozenTuple(Received, tuple):
    """A tuple of the submission, or its namedtuple or dataclass, whose type name is then in `kind`."""

    kind: str | None = None


class FrozenList(Received, list):
    """A list of the submission, read-only."""

    append = extend = insert = pop = remove = clear = sort = reverse = _read_only
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _read_only


class FrozenDict(Received, dict):
    """A dict of the submission, read-only."""

    pop = popitem = clear = update = setdefault = _read_only
    __setitem__ = __delitem__ = __ior__ = _read_only


# --- data -> nodes ---------------------------------------------------------------------------------------------------


class Encoder:
    """Turns values into JSON nodes and a list of arrays.

    `special(value)` encodes what is not data (handles, callables, generators) and raises `WireError` for what it does
    not know. `remember(container)` returns a number under which the container can be named later, or None.
    """

    def __init__(
        self,
        special: Callable[[Any], Any],
        remember: Callable[[Any], int | None] | None = None,
        max_bytes: int = MAX_REPLY,
        owner: Any = None,
    ) -> None:
        self.special = special
        self.remember = remember
        self.owner = owner
        self.objects: Collection[type] = ()  # types whose instances are objects to keep, even where they look like data
        self.left = max_bytes
        self.header = MAX_HEADER - (1 << 13)  # about what the nodes take of the header; the rest is for the message
        self.nodes = 0
        self.specs: list[str] = []
        self.buffers: list[Any] = []
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []  # keeps the ids in `seen` from being used again

    def encode(self, value: Any, depth: int = 0) -> Any:
        """The node of `value`; raises `TooLarge` where a limit would be broken."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise TooLarge("nested too deeply, or too many items")
        self.header -= 3  # checked with whatever else the node takes, and in `pack`
        kind = type(value)
        if kind is np.ndarray and value.dtype in NAMES:  # the usual one, without the detour
            return {"a": self.array(value, value)}
        encode = _ENCODERS.get(kind) or _encoder_of_subclass(value)
        if encode is not None and kind not in self.objects:
            return encode(self, value, depth)
        return self.stays(value)

    def spend(self, characters: int) -> None:
        self.header -= characters
        if self.header < 0:
            raise TooLarge("more numbers or text than a message holds; use an array instead")

    def stays(self, value: Any) -> Any:
        """The node of what is not data."""
        node = self.special(value)
        self.spend(len(_dump(node)))
        return node

    def items(self, values: Any, depth: int) -> list[Any]:
        if len(values) > MAX_NODES:
            raise TooLarge(f"{len(values)} items; return an array instead")
        if depth > 1:  # too deep to stay behind alone
            return [self.encode(value, depth + 1) for value in values]
        return [self.child(value, depth) for value in values]

    def child(self, value: Any, depth: int) -> Any:
        """A member of a container: what is too large to send stays behind as a handle, its siblings still cross."""
        if type(value) is float and self.nodes < MAX_NODES and self.header > 64 and math.isfinite(value):
            self.nodes += 1  # the usual member, without the detour
            self.header -= 28
            return value
        mark = (self.left, self.header, self.nodes, len(self.specs))
        try:
            return self.encode(value, depth + 1)
        except TooLarge:
            if depth > 1:
                raise
            self.left, self.header, self.nodes, kept = mark
            del self.specs[kept:], self.buffers[kept:]
            self.seen = {key: index for key, index in self.seen.items() if index < kept}
            return self.stays(value)

    def named(self, node: dict[str, Any], container: Any) -> dict[str, Any]:
        self.spend(26)
        ref = self.remember(container) if self.remember else None
        if ref is not None:
            node["ref"] = ref
        return node

    def array(self, array: np.ndarray, identity: Any) -> int:
        """Index of the array in this frame; the same object is sent once."""
        index = self.seen.get(id(identity))
        if index is not None:
            return index
        flags = array.flags
        layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "S"
        size, spec = array.nbytes, _spec_of(array.dtype, array.shape, layout)
        if size > self.left:
            raise TooLarge(f"an array of {size} bytes")
        self.spend(len(spec) + 12)
        self.left -= size
        self.seen[id(identity)] = index = len(self.specs)
        self.alive.append(identity)
        self.specs.append(spec)
        self.buffers.append(array.tobytes("A") if size < SMALL else _raw(array, layout))
        return index


@functools.lru_cache(maxsize=4096)
def _spec_of(dtype: np.dtype, shape: tuple[int, ...], layout: str) -> str:
    """The description of an array; raises `TooLarge` for a shape that a frame does not carry."""
    if len(shape) > MAX_AXES or _extent(shape) > MAX_EXTENT:
        raise TooLarge("an array of an extreme shape")
    return f"{NAMES[dtype]} {','.join(map(str, shape))} {layout}"


def _extent(shape: tuple[int, ...]) -> int:
    return math.prod(max(n, 1) for n in shape)


def _raw(array: np.ndarray, layout: str) -> Any:
    """The bytes of a large array where they lie; in C order, or in Fortran order where it has that."""
    flat = array.T if layout == "F" else array if layout == "C" else np.ascontiguousarray(array)
    return flat.reshape(-1).view(np.uint8).data


def _int(encoder: Encoder, value: Any, __: int) -> Any:
    value = int(value)
    encoder.spend(18)
    if value.bit_length() < 53:
        return value
    if value.bit_length() > 64:
        raise TooLarge("an integer of more than 64 bits")
    return {"i": hex(value)}


def _float(encoder: Encoder, value: Any, __: int) -> Any:
    value = float(value)
    encoder.spend(len(repr(value)))
    return value if math.isfinite(value) else {"f": repr(value)}


def _str(encoder: Encoder, value: Any, __: int) -> Any:
    text = str.__str__(value)
    if len(text) > MAX_TEXT:
        raise TooLarge("a text of more than a million characters")
    encoder.spend(len(text) + 2 if text.isascii() and text.isidentifier() else len(json.dumps(text)))
    return text


def _complex(encoder: Encoder, value: Any, depth: int) -> Any:
    return {"c": [_float(encoder, value.real, depth), _float(encoder, value.imag, depth)]}


def _list(encoder: Encoder, value: Any, depth: int) -> Any:
    return encoder.named({"l": encoder.items(list.__getitem__(value, slice(None)), depth)}, value)


def _tuple(encoder: Encoder, value: Any, depth: int) -> Any:
    return encoder.named({"t": encoder.items(tuple.__getitem__(value, slice(None)), depth)}, value)


def _dict(encoder: Encoder, value: Any, depth: int) -> Any:
    if not value:
        return encoder.named({"d": []}, value)
    if not all([type(k) is str for k in dict.keys(value)]):
        if len(value) > MAX_KEYS:
            raise TooLarge(f"a dict of {len(value)} items")
        if not all(map(_is_key, dict.keys(value))):
            return encoder.stays(value)
    pairs = [[encoder.child(k, depth), encoder.child(v, depth)] for k, v in dict.items(value)]
    return encoder.named({"d": pairs}, value)


def _is_key(key: Any) -> bool:
    """Whether a key can be a key on the other side too: an object would be a handle there, which has no hash."""
    if isinstance(key, tuple):
        return all(map(_is_key, tuple.__iter__(key)))
    return key is None or isinstance(key, (bool, int, float, complex, str, bytes, np.generic)) or _is_tensor(key)


def _received(encoder: Encoder, value: Any, depth: int) -> Any:
    """What came from this worker goes back as the worker's own object; anywhere else it is plain data."""
    if value.ref is not None and value.owner is encoder.owner:
        return {"ref": value.ref}
    plain: dict[Any, Any] = {FrozenTuple: _tuple, FrozenList: _list, FrozenDict: _dict}
    return plain[type(value)](encoder, value, depth)


def _fresh_record(encoder: Encoder, value: Any, depth: int) -> Any:
    values = encoder.items(list(value), depth)
    return {"rec": value.ref, "values": values} if value.owner is encoder.owner else {"t": values}


def _record(encoder: Encoder, value: Any, depth: int) -> Any:
    """A namedtuple or dataclass: its fields in order, its type's name, and the object to return to."""
    fields = value if isinstance(value, tuple) else [getattr(value, f.name) for f in dataclasses.fields(value)]
    return encoder.named({"t": encoder.items(list(fields), depth), "kind": type(value).__name__[:80]}, value)


def _ndarray(encoder: Encoder, value: Any, depth: int) -> Any:
    plain = value if type(value) is np.ndarray else np.ndarray.view(value, np.ndarray)
    if plain.dtype not in NAMES:
        return encoder.stays(value)
    return {"a": encoder.array(plain, value)}


def _generic(encoder: Encoder, value: Any, depth: int) -> Any:
    plain = np.asarray(value)
    return {"s": encoder.array(plain, plain)} if plain.dtype in NAMES else encoder.stays(value)


def _bytes(encoder: Encoder, value: bytes, depth: int) -> Any:
    plain = np.frombuffer(bytes(value), np.uint8)
    return {"y": encoder.array(plain, plain)}


def _tensor(encoder: Encoder, value: Any, depth: int) -> Any:
    """A dense CPU tensor; anything else of torch stays behind as a handle."""
    torch = sys.modules["torch"]
    name = str(value.dtype).removeprefix("torch.")
    if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized or value.is_nested:
        return encoder.stays(value)
    if name not in TENSOR_DTYPES:
        return encoder.stays(value)
    if value.numel() * value.element_size() > encoder.left:  # an expanded tensor claims more bytes than it has
        raise TooLarge(f"a tensor of {value.numel() * value.element_size()} bytes")
    dense = value.detach().resolve_conj().resolve_neg()
    plain = (dense.contiguous().view(torch.int16) if name == "bfloat16" else dense).numpy()
    return {"T": [encoder.array(plain, value), name, bool(value.requires_grad)]}


_ENCODERS: dict[type, Callable[[Encoder, Any, int], Any]] = {
    type(None): lambda _, value, __: None,
    bool: lambda _, value, __: value,
    int: _int,
    float: _float,
    str: _str,
    complex: _complex,
    list: _list,
    tuple: _tuple,
    dict: _dict,
    bytes: _bytes,
    FrozenTuple: _received,
    FrozenList: _received,
    FrozenDict: _received,
    FreshRecord: _fresh_record,
    np.ndarray: _ndarray,
    np.bool_: _generic,
    np.float64: _generic,
    np.float32: _generic,
    np.int64: _generic,
}


def _encoder_of_subclass(value: Any) -> Callable[[Encoder, Any, int], Any] | None:
    """Enums, OrderedDict, namedtuple, Parameter, ...: converted through the base class, never refused."""
    if isinstance(value, np.generic):
        return _generic
    if isinstance(value, np.ndarray):
        return _ndarray
    if _is_tensor(value):
        return _tensor
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _record
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record
    return next((encode for base, encode in _BASES if isinstance(value, base)), None)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


_BASES: tuple[tuple[Any, Callable[[Encoder, Any, int], Any]], ...] = (
    (int, _int),
    (float, _float),
    (complex, _complex),
    (str, _str),
    (tuple, _tuple),
    (list, _list),
    (dict, _dict),
)


# --- nodes -> data ---------------------------------------------------------------------------------------------------


class Decoder:
    """Turns nodes back into values; `special(tag, node)` decodes handles, callbacks and generators.

    With `frozen` (the judge's side) arrays and containers are read-only and containers remember what they stand for;
    without it arrays are writable copies, made anew by each decoder.
    """

    def __init__(self, arrays: Sequence[Any], special: Callable[[str, Any], Any], frozen: Any = None) -> None:
        self.arrays = arrays
        self.special = special
        self.frozen = frozen
        self.nodes = 0
        self.bytes = 0
        self.copies: dict[int, np.ndarray] = {}
        self.tensors: dict[int, Any] = {}

    def decode(self, node: Any, depth: int = 0) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH + 2 or self.nodes > 2 * MAX_NODES:
            raise WireError("nested too deeply, or too many items")
        if type(node) is not dict:
            if node is None or type(node) in (float, str, bool):
                return node
            if type(node) is int:
                return _bounded(node)
            raise WireError("not a node")
        tag = next(iter(node), None)
        if tag is None:
            raise WireError("not a node")
        if tag == "a":
            return self.index(node["a"])
        decode = _DECODERS.get(tag)
        return decode(self, node, depth) if decode else self.special(tag, node)

    def index(self, node: Any) -> Any:
        if type(node) is not int or not 0 <= node < len(self.arrays):
            raise WireError("no such array")
        array = self.arrays[node]
        if self.frozen is None:
            copy = self.copies.get(node)
            if copy is None:
                copy = self.copies[node] = _writable(array)
            return copy
        self.bytes += 0 if isinstance(array, DroppedArray) else array.nbytes
        if self.bytes > MAX_REPLY:  # sent once, named a thousand times
            raise TooLarge("arrays that occur over and over")
        return array

    def items(self, node: Any, depth: int) -> list[Any]:
        if type(node) is not list:
            raise WireError("not a list of nodes")
        self.nodes += len(node)
        if depth >= MAX_DEPTH + 2 or self.nodes > 2 * MAX_NODES:
            raise WireError("nested too deeply, or too many items")
        decode = self.decode
        return [child if type(child) is float else decode(child, depth + 1) for child in node]

    def container(self, kind: type, values: Any, node: dict[str, Any]) -> Any:
        if self.frozen is None:
            return kind.__mro__[2](values)  # tuple, list or dict
        made = kind(values)
        ref = node.get("ref")
        if type(ref) is int:
            made.owner, made.ref = self.frozen, ref
        if type(node.get("kind")) is str:
            made.kind = node["kind"][:80]
        return made


def _writable(array: np.ndarray) -> np.ndarray:
    """A copy in the same kind of layout."""
    flags = array.flags
    if flags.c_contiguous or flags.f_contiguous or not array.ndim:
        return array.copy(order="K")
    wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _decode_dict(decoder: Decoder, node: dict[str, Any], depth: int) -> Any:
    pairs = node["d"]
    if pairs == []:
        return decoder.container(FrozenDict, {}, node)
    if type(pairs) is not list or any(type(p) is not list or len(p) != 2 for p in pairs):
        raise WireError("not a dict")
    if len(pairs) > MAX_KEYS and any(type(p[0]) is not str for p in pairs):
        raise WireError("a dict of too many keys")
    try:
        made = {decoder.decode(k, depth + 1): decoder.decode(v, depth + 1) for k, v in pairs}
    except (TypeError, RecursionError):
        raise WireError("a key that cannot be hashed") from None
    return decoder.container(FrozenDict, made, node)


def _decode_float(_: Decoder, node: dict[str, Any], __: int) -> float:
    if node["f"] not in ("nan", "inf", "-inf"):
        raise WireError("not a float")
    return float(node["f"])


def _decode_int(_: Decoder, node: dict[str, Any], __: int) -> int:
    if type(node["i"]) is not str or len(node["i"]) > 20:
        raise WireError("not an integer")
    try:
        return _bounded(int(node["i"], 16))
    except ValueError:
        raise WireError("not an integer") from None


def _bounded(value: int) -> int:
    if value.bit_length() > 64:
        raise WireError("an integer of more than 64 bits")
    return value


def _decode_complex(decoder: Decoder, node: dict[str, Any], depth: int) -> complex:
    parts = decoder.items(node["c"], depth)
    if len(parts) != 2 or any(type(p) not in (int, float) for p in parts):
        raise WireError("not a complex number")
    return complex(*parts)


def _decode_scalar(decoder: Decoder, node: dict[str, Any], _: int) -> Any:
    array = decoder.index(node["s"])
    if array.ndim:
        raise WireError("not a scalar")
    return array[()]


def _decode_bytes(decoder: Decoder, node: dict[str, Any], _: int) -> bytes:
    return bytes(decoder.index(node["y"]).tobytes())


def _decode_tensor(decoder: Decoder, node: dict[str, Any], _: int) -> Any:
    if type(node["T"]) is not list or len(node["T"]) != 3:
        raise WireError("not a tensor")
    index, name, requires_grad = node["T"]
    if type(name) is not str or name not in TENSOR_DTYPES or type(requires_grad) is not bool:
        raise WireError("not a tensor")
    plain = decoder.index(index)
    if NAMES[plain.dtype] != ("int16" if name == "bfloat16" else name):
        raise WireError("not a tensor of this dtype")
    if type(plain) is DroppedArray:
        return DroppedArray(plain.dtype, plain.shape, is_tensor=True)
    if index not in decoder.tensors:
        decoder.tensors[index] = _as_tensor(plain, name, requires_grad)
    return decoder.tensors[index]


def _as_tensor(plain: np.ndarray, name: str, requires_grad: bool) -> Any:
    import torch  # only where a tensor arrives: a NumPy topic never pays for it

    tensor = torch.from_numpy(plain if plain.flags.writeable else plain.copy())
    tensor = tensor.view(torch.bfloat16) if name == "bfloat16" else tensor
    return tensor.requires_grad_() if requires_grad and (tensor.is_floating_point() or tensor.is_complex()) else tensor


_DECODERS: dict[str, Callable[[Decoder, dict[str, Any], int], Any]] = {
    "l": lambda d, node, depth: d.container(FrozenList, d.items(node["l"], depth), node),
    "t": lambda d, node, depth: d.container(FrozenTuple, d.items(node["t"], depth), node),
    "d": _decode_dict,
    "rec": lambda d, node, depth: d.special("rec", {"rec": node["rec"], "values": d.items(node.get("values"), depth)}),
    "s": _decode_scalar,
    "y": _decode_bytes,
    "T": _decode_tensor,
    "f": _decode_float,
    "i": _decode_int,
    "c": _decode_complex,
}


# --- frames ----------------------------------------------------------------------------------------------------------


class Payload(NamedTuple):
    """Header and body of a frame: the length of the header and all bytes, in one piece or more.

    The bytes of arrays that are `unread`, by their index, are not there.
    """

    header: int
    parts: list[Any]
    unread: frozenset[int] = frozenset()

    def data(self) -> Any:
        """All bytes in one piece."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    def framed(self, number: bytes = NO_NUMBER, sort: bytes = PLAIN) -> list[Any]:
        """The frame, in pieces to be written one after the other; small ones are joined, for each write costs."""
        sizes = [len(part) for part in self.parts]  # each is bytes or flat
        size = sum(sizes)
        head = HEAD.pack(MAGIC, sort, number, self.header, size - self.header)
        return [b"".join((head, *self.parts))] if size < CHUNK else [head, *self.parts]


class Head(NamedTuple):
    """What the head of a frame says: its sort, its number and the lengths of what follows."""

    sort: bytes
    number: bytes
    header: int
    body: int


def pack(message: dict[str, Any], encoder: Encoder | None = None) -> Payload:
    """A message with the arrays that its encoder has collected."""
    specs, buffers = (encoder.specs, encoder.buffers) if encoder else ([], [])
    header = _dump({"m": message, "a": specs}).encode()
    header += b" " * (-(HEAD.size + len(header)) % ALIGNMENT)  # so that arrays can be used where they arrive
    if len(header) > MAX_HEADER:
        raise TooLarge(f"a message header of {len(header)} bytes")
    return Payload(len(header), [header, *buffers])


def parse_head(data: Any, max_body: int = MAX_REPLY) -> Head:
    """The head of a frame, refused above the caps before anything is allocated."""
    magic, sort, number, header, body = HEAD.unpack(data)
    if magic != MAGIC or sort not in (PLAIN, CALLBACK):
        raise WireError("bytes that are no message")
    if header > MAX_HEADER or body > max_body:
        raise TooLarge(f"a message of {header + body} bytes")
    return Head(sort, number, header, body)


def parse(payload: Payload) -> tuple[dict[str, Any], list[Any]]:
    """(message, arrays) of a frame; the arrays are read-only views of its bytes, as far as they are aligned there.

    For those that were not read stands a `DroppedArray` each.
    """
    view = memoryview(payload.data()).toreadonly()
    message, specs = _parse_header(view[: payload.header])
    return message, _arrays(specs, view[payload.header :], payload.unread)


def sizes_of_arrays(header: Any, body: int) -> list[int]:
    """Bytes of each array that a frame's header names; together they are its body."""
    sizes = [_described(spec)[3] for spec in _parse_header(memoryview(header))[1]]
    _demand_all(sum(sizes), body)
    return sizes


def _parse_header(data: memoryview) -> tuple[dict[str, Any], list[str]]:
    """(message, descriptions of the arrays)."""
    try:
        header = _load(str(data, "ascii"))
    except (ValueError, RecursionError):
        raise WireError("a header that is not JSON") from None
    if type(header) is not dict or type(header.get("m")) is not dict or type(header.get("a")) is not list:
        raise WireError("a header without a message")
    if len(header["a"]) > MAX_NODES:
        raise WireError("too many arrays")
    if not all([type(spec) is str for spec in header["a"]]):
        raise WireError("an array without a description")
    return header["m"], header["a"]


def _demand_all(described: int, arrived: int) -> None:
    if described != arrived:
        raise WireError(f"{'fewer' if described > arrived else 'more'} bytes than the shapes say")


def _arrays(specs: list[str], body: memoryview, unread: Collection[int] = ()) -> list[Any]:
    arrays, start, end = list[Any](), 0, body.nbytes
    for index, spec in enumerate(specs):
        dtype, shape, layout, nbytes = _described(spec)
        if index in unread:
            arrays.append(DroppedArray(dtype, shape))
            continue
        if start + nbytes > end:
            raise WireError("fewer bytes than the shapes say")
        if dtype.kind == "b":
            array = _truths(body[start : start + nbytes], shape, layout)
        else:
            array = np.ndarray(shape, dtype, body, start, None, "F" if layout == "F" else "C")
            if layout == "S" or not array.flags.aligned:
                array = _laid_out(array, layout)
        start += nbytes
        arrays.append(array)
    _demand_all(start, end)
    return arrays


@functools.lru_cache(maxsize=4096)
def _described(spec: str) -> tuple[np.dtype, tuple[int, ...], str, int]:
    """(dtype, shape, layout, bytes) of an array's description; raises `WireError` for any other text."""
    name, _, rest = spec.partition(" ")
    lengths, _, layout = rest.partition(" ")
    if name not in DTYPES or layout not in ("C", "F", "S") or len(spec) > MAX_SPEC or not rest.isascii():
        raise WireError("an array of an unknown kind")
    parts = lengths.split(",") if lengths else []
    if len(parts) > MAX_AXES or not all(part.isdecimal() and len(part) < 13 for part in parts):
        raise WireError("an array of an impossible shape")
    shape = tuple(map(int, parts))
    if _extent(shape) > MAX_EXTENT:
        raise WireError("an array of an impossible shape")
    dtype = DTYPES[name]
    return dtype, shape, layout, math.prod(shape) * dtype.itemsize


def _truths(data: memoryview, shape: tuple[int, ...], layout: str) -> np.ndarray:
    """Bytes as truth values: any other byte than 0 and 1 would be neither true nor false."""
    flat = np.frombuffer(data, np.uint8) != 0
    return _laid_out(flat.reshape(shape, order="F" if layout == "F" else "C"), layout)


def _laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """A read-only copy in the sender's kind of memory layout; strides are made here, never taken from the sender."""
    if layout == "S" and array.ndim:
        wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        strided = wide[..., ::2]  # every second column: not contiguous
        strided[...] = array
        array = strided
    else:
        array = array.copy(order="F" if layout == "F" else "C")
    array.flags.writeable = False
    return array
