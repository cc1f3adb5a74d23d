"""The worker's side of the wire: loads one submission and answers requests with data.

Everything here runs beside hostile code and is believed by nobody: it can only ever send values.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import dataclasses
import errno
import functools
import importlib
import itertools
import linecache
import marshal
import operator
import random
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from grader import wire
from grader.worker import substitute
from grader.worker.imports import Forbidden, ImportGuard, guard_import_module

ORIGIN = "<submission>/"
MAX_ERROR_TEXT = 2000
Message = dict[str, Any]
Arrays = list[np.ndarray]
Answered = tuple[Any, Message]  # a value, and what else there is to say of it
STRICT = functools.partial(np.errstate, over="raise", invalid="raise", divide="raise")
NOTHING = contextlib.nullcontext()
NO_SEED = np.random.SeedSequence(0)  # of a generator whose state is set at once
MAX_PATHS, MAX_PATH = 100, 200  # of arguments that were changed or share memory, and characters of each
MAX_WORK = 100_000  # for deciding whether two strided arrays share memory
OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in (
        "add sub mul truediv floordiv mod pow matmul neg pos abs getitem setitem delitem lt le gt ge contains".split()
    )
} | {"len": len, "float": float, "int": int}


class MissingName(AttributeError):
    """A name the exercise asks for that the submission does not have."""


# --- loading ---------------------------------------------------------------------------------------------------------


def load_module(
    files: dict[str, str], main: str, imports: list[str], banned: list[str], is_process: bool
) -> tuple[types.ModuleType, list[str]]:
    """Execute the submission's source under its topic's name; nothing is read from disk.

    Returns the module, and sentences about imports for which a stand-in was bound.
    """
    for name in banned:
        _ban(name)
    filename = ORIGIN + main + ".py"
    source = files[main + ".py"]
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)  # for the student's own logging
    module = types.ModuleType(main)
    module.__file__ = filename
    guard = ImportGuard(main, source, filename, imports)
    if is_process:
        guard_import_module(guard, filename)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": guard}
    sys.modules[main] = module  # dataclasses and typing look their module up here
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module, guard.refused


def seed_globals(seed: int) -> None:
    """Give the global random states a known beginning, so that what draws from them is the same in every run."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)


def _ban(name: str) -> None:
    """Make `package.function` refuse calls that come directly from the submission's frames."""
    path, _, attribute = name.rpartition(".")
    owner = importlib.import_module(path)
    real = getattr(owner, attribute)

    def banned(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_code.co_filename.startswith(ORIGIN):
            raise Forbidden(f"{name} may not be used in this topic: writing it is the exercise")
        return real(*args, **kwargs)

    if isinstance(real, type):  # a banned class stays usable as a base or in isinstance; making one is refused
        type.__setattr__(real, "__init__", _banned_init(name, real.__init__))  # type: ignore[misc]
    else:
        setattr(owner, attribute, banned)


def _banned_init(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if any(f.f_code.co_filename.startswith(ORIGIN) for f, _ in traceback.walk_stack(sys._getframe(1))):
            raise Forbidden(f"{name} may not be used in this topic: writing it is the exercise")
        real(self, *args, **kwargs)

    return __init__


# --- what a call did besides returning -------------------------------------------------------------------------------


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, leaf) of everything inside plain containers, namedtuples and dataclasses; containers give their length."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            yield from leaves(getattr(value, name), f"{path}.{name}")
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            yield from leaves(getattr(value, name, None), f"{path}.{name}")
    elif isinstance(value, (tuple, list)):
        yield path, ("length", len(value))
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        yield path, ("keys", repr(list(value)))
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]")
    else:
        yield path, value


def _snapshot(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return (leaf.dtype.str, leaf.shape, leaf.tobytes())
    if _is_tensor(leaf):
        return (str(leaf.dtype), tuple(leaf.shape), leaf.detach().contiguous().view(-1).numpy().tobytes())
    return leaf if isinstance(leaf, (int, float, complex, str, tuple, type(None), np.generic)) else None


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _share_memory(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        try:
            return bool(np.shares_memory(a, b, max_work=MAX_WORK))  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            return bool(np.may_share_memory(a, b))
    if _is_tensor(a) and _is_tensor(b) and a.numel() and b.numel():
        return bool(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr())
    return False


class Observation:
    """Snapshot of arguments and global random state before a call, compared after it."""

    def __init__(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        self.named = [(str(i), value) for i, value in enumerate(args)] + list(kwargs.items())
        self.before = [(path, _snapshot(leaf)) for name, value in self.named for path, leaf in leaves(value, name)]
        self.random = self._random_state()

    @staticmethod
    def _random_state() -> Any:
        torch = sys.modules.get("torch")
        legacy: Any = np.random.get_state(legacy=True)  # (name, keys, position, ...); printing the keys would be slow
        return legacy[1].tobytes(), legacy[2:], random.getstate(), torch and torch.get_rng_state().numpy().tobytes()

    def report(self, result: Any) -> dict[str, Any]:
        current = [(path, leaf) for name, value in self.named for path, leaf in leaves(value, name)]
        after = [(path, _snapshot(leaf)) for path, leaf in current]
        differing = {p for p, _ in dict_difference(self.before, after)}
        aliases = [
            [there, here]
            for there, made in leaves(result, "result")
            for here, given in current
            if _share_memory(made, given)
        ]
        return {
            "changed": [path[:MAX_PATH] for path in sorted(differing)[:MAX_PATHS]],
            "aliases": [[there[:MAX_PATH], here[:MAX_PATH]] for there, here in aliases[:MAX_PATHS]],
            "global_random": self._random_state() != self.random,
        }


def dict_difference(before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Entries of either list that the other does not have in the same place."""
    pairs = itertools.zip_longest(before, after)
    return [b or a for b, a in pairs if b is None or a is None or not _same(b, a)]


def _same(b: tuple[str, Any], a: tuple[str, Any]) -> bool:
    return b[0] == a[0] and (b[1] is a[1] or repr(b[1]) == repr(a[1]) if not _is_bytes(b[1]) else b[1] == a[1])


def _is_bytes(snapshot: Any) -> bool:
    return isinstance(snapshot, tuple) and len(snapshot) == 3 and isinstance(snapshot[2], bytes)


class OpcodeCounter:
    """Counts the bytecodes that frames of the submission execute during a call."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self.origins = origins
        self.count = 0
        self.threads = False

    def _trace(self, frame: types.FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.origins):
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: types.FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            self.count += 1
        return self._step

    def _other_thread(self, *_: Any) -> Any:
        self.threads = True
        return None

    def run(self, call: Callable[[], Any]) -> Any:
        threading.settrace(self._other_thread)
        before, tracer = sys.gettrace(), self._trace
        sys.settrace(tracer)
        try:
            return call()
        finally:
            if sys.gettrace() is not tracer:  # somebody switched the counting off
                self.threads = True
            sys.settrace(before)  # an author's debugger, when this runs in one process
            threading.settrace(None)


# --- the server ------------------------------------------------------------------------------------------------------


class Server:
    """Answers the requests of one judge about one submission; `ask` sends it a frame and returns the next one."""

    def __init__(self, ask: Callable[[wire.Payload, bytes], wire.Payload]) -> None:
        self.ask = ask
        self.module: Any = None
        self.is_process = False  # whether this process is the submission's own
        self.kept: dict[int, Any] = {}
        self.last = 0
        self.helpers: dict[int, Callable[..., Any]] = {}
        self.origins: tuple[str, ...] = (ORIGIN,)  # where the submission's own code comes from
        self.classes: set[type] = set()  # classes a check has made objects of: those stay here, dataclasses too

    def handle(self, request: wire.Payload) -> wire.Payload:
        """The answer to a request."""
        return self._handle(*wire.parse(request))

    def _handle(self, message: dict[str, Any], arrays: list[np.ndarray]) -> wire.Payload:
        if "check" in message:  # a new one begins; the number is its own, below 2**32
            self.kept.clear()
            self.last = message["check"] << 20  # names are the same in every worker, and none is another check's
            seed_globals(message["check"])
        try:
            return self._pack(ACTIONS[message["kind"]](self, message, arrays))
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are the student's too
            return wire.pack(_raised(self._named(error)))

    def answer_to(self, question: dict[str, Any], encoder: wire.Encoder) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The judge's answer to a callback, after whatever it asks in its turn."""
        message, arrays = wire.parse(self.ask(wire.pack(question, encoder), wire.CALLBACK))
        while message["kind"] in ACTIONS:
            message, arrays = wire.parse(self.ask(self._handle(message, arrays), wire.PLAIN))
        return message, arrays

    def _named(self, error: BaseException) -> BaseException:
        """A name that a check's helper misses in the submission is missing there as anywhere."""
        if type(error) is AttributeError and self.module is not None and error.obj is self.module:
            return MissingName(f"{vars(self.module)['__name__']}.py has no '{error.name}'")
        return error

    def _pack(self, answer: tuple[Any, dict[str, Any]]) -> wire.Payload:
        value, extra = answer
        kept = extra.pop("keep", False)
        reply = {"kind": "value", **extra}
        if not kept:
            encoder = wire.Encoder(self.keep, self.remember)
            encoder.objects = self.classes
            try:
                return wire.pack({**reply, "value": encoder.encode(value)}, encoder)
            except wire.TooLarge:
                pass  # it stays here
        return wire.pack({**reply, "value": self.keep(value)})

    def replace(self, name: str, value: Any) -> None:
        """Put another implementation in the submission's place of `name`; its frames count as the submission's."""
        own = vars(value).values() if isinstance(value, type) else [value]  # what a class inherits is not its own
        codes = [f.__code__ for f in own if isinstance(f, types.FunctionType)]
        self.origins += tuple({code.co_filename for code in codes})
        setattr(self.module, name, value)

    def put_in(self, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a unit by what a factory makes of the module, in which the original keeps its name."""
        self.replace(name, make(substitute.view_with_original(self.module, name)))

    # names for objects that stay here

    def remember(self, value: Any) -> int:
        self.last += 1
        self.kept[self.last] = value
        return self.last

    def keep(self, value: Any) -> dict[str, Any]:
        return {"h": [self.remember(value), type(value).__name__[:80], callable(value)]}

    def special(self, generators: list[Any]) -> Callable[[str, Any], Any]:
        def decode(tag: str, node: Any) -> Any:
            if tag in ("h", "ref"):
                return self.kept[node[tag]] if node[tag] else self.module
            if tag == "fn":
                return self.target({"handle": node["fn"][0], "name": node["fn"][1]})
            if tag == "cb":
                return self._callback(node["cb"])
            if tag == "g":
                return generators[node["g"]]
            if tag == "rec":  # a namedtuple or dataclass rebuilt from new values
                return _rebuilt(self.kept[node["rec"]], node["values"])
            raise wire.WireError("an unknown tag")

        return decode

    def _callback(self, number: int) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            encoder = wire.Encoder(self.keep)
            nodes = {"args": encoder.encode(list(args)), "kwargs": encoder.encode(kwargs)}
            message, arrays = self.answer_to({"callback": number, **nodes}, encoder)
            if message["kind"] == "failed":
                raise RuntimeError(message["text"])
            return wire.Decoder(arrays, self.special([])).decode(message["value"])

        return callback

    def target(self, message: dict[str, Any]) -> Any:
        owner = self.kept[message["handle"]] if message.get("handle") else self.module
        name = message.get("name")
        return owner if name is None else self._attribute(owner, name)

    def _attribute(self, owner: Any, name: str) -> Any:
        if owner is self.module and name not in vars(owner):
            raise MissingName(f"{self.module.__name__}.py has no '{name}'")
        try:
            return getattr(owner, name)
        except AttributeError as error:
            if error.name == name and error.obj is owner:
                raise MissingName(f"'{type(owner).__name__}' has no '{name}'") from None
            raise


# --- the requests ----------------------------------------------------------------------------------------------------


def _arguments(server: Server, message: Message, arrays: Arrays) -> tuple[list[Any], dict[str, Any], Any]:
    generators = [_generator(state) for state in message.get("generators", ())]
    decoder = wire.Decoder(arrays, server.special(generators))
    return decoder.decode(message["args"]), decoder.decode(message["kwargs"]), generators


def load(server: Server, message: Message, arrays: Arrays) -> Answered:
    (files,), _, _ = _arguments(server, message, arrays)
    texts = {name: data.decode("utf-8", "surrogatepass") for name, data in files.items()}
    seed_globals(0)
    if server.is_process:
        sys.argv[:] = sys.orig_argv[:] = [f"{message['main']}.py"]
    loaded = load_module(texts, message["main"], message["imports"], message["banned"], server.is_process)
    server.module, refused = loaded
    if "wrong" in message:  # for a candidate of the audit
        server.put_in(*substitute.wrong_unit(texts[substitute.FILE], message["wrong"], ORIGIN + substitute.FILE))
    return refused, {}


def call(server: Server, message: Message, arrays: Arrays) -> Answered:
    """One call, or many with arguments of their own each: then the value is a list, and so is what they did."""
    function = server.target(message)
    if isinstance(function, type):
        server.classes.add(function)
    if "many" not in message.get("options", ()):
        return _called(server, function, message, arrays)
    values, reports, states = [], [], message.get("generators", [])
    for node in message["args"]["l"]:  # a generator goes on where the call before has left it
        value, extra = _called(server, function, {**message, "args": node, "generators": states}, arrays)
        states = extra.pop("generators", states)
        values.append(value)
        reports.append(extra)
        if None in states:  # it has become another one: the judge ends this
            break
    return values, {"each": reports, "generators": states}


def _called(server: Server, function: Any, message: Message, arrays: Arrays) -> Answered:
    options = message.get("options", {})
    extra: dict[str, Any] = {"keep": bool(options.get("keep"))}
    counter = OpcodeCounter(server.origins)
    if options.get("count"):
        args, kwargs, _ = _arguments(server, message, arrays)
        function(*args, **kwargs)  # warm-up: first-call caches do not count
    args, kwargs, generators = _arguments(server, message, arrays)
    observation = Observation(args, kwargs) if options.get("observe") else None
    with STRICT() if options.get("strict") else NOTHING:
        if options.get("count"):
            result = counter.run(lambda: function(*args, **kwargs))
            extra["count"], extra["threads"] = counter.count, counter.threads
        else:
            result = function(*args, **kwargs)
    if observation:
        extra["observed"] = observation.report(result)
    if generators:
        extra["generators"] = [_generator_state(g) for g in generators]
    return result, extra


def get(server: Server, message: Message, _: Arrays) -> Answered:
    return server.target(message), {}


def put(server: Server, message: Message, arrays: Arrays) -> Answered:
    (value,), _, _ = _arguments(server, message, arrays)
    setattr(server.kept[message["handle"]], message["name"], value)
    return None, {}


def operate(server: Server, message: Message, arrays: Arrays) -> Answered:
    args, _, _ = _arguments(server, message, arrays)
    return OPERATORS[message["name"]](*args), {}


def take(server: Server, message: Message, arrays: Arrays) -> Answered:
    (iterable,), _, _ = _arguments(server, message, arrays)
    return list(itertools.islice(iterable, message["count"])), {}


def run_helper(server: Server, message: Message, arrays: Arrays) -> Answered:
    number = message["helper"]
    # Code of the judge's own, compiled there. It comes down the pipe that only the judge writes to, into a process
    # that runs a stranger's code anyway; nothing that goes up is ever loaded as code (a test looks for that).
    if number not in server.helpers:
        scope: dict[str, Any] = {"np": np, "torch": sys.modules.get("torch"), "submission": server.module}
        exec(marshal.loads(base64.b64decode(message["code"])), scope)
        server.helpers[number] = scope[message["name"]]
    args, kwargs, _ = _arguments(server, message, arrays)
    return server.helpers[number](*args, **kwargs), {"keep": bool(message.get("keep"))}


def give(server: Server, message: Message, arrays: Arrays) -> Answered:
    """Put the judge's answers in the place of these functions of the submission; classes stay what they are."""
    for name in message["names"]:
        own = vars(server.module).get(name)
        if not isinstance(own, type):
            setattr(server.module, name, _given(server, name, own))
    return None, {}


def _given(server: Server, name: str, own: Any) -> Callable[..., Any]:
    def given(*args: Any, **kwargs: Any) -> Any:
        generators: list[np.random.Generator] = []
        encoder = wire.Encoder(_data_alone(generators))
        try:
            nodes = {"args": encoder.encode(list(args)), "kwargs": encoder.encode(kwargs)}
        except wire.WireError:  # no data, or more than a message holds
            return _own(server, name, own)(*args, **kwargs)
        if any(_is_tensor(leaf) and leaf.requires_grad for _, leaf in leaves((args, kwargs), "")):
            return _own(server, name, own)(*args, **kwargs)  # an answer from outside would cut the graph
        states = [g.bit_generator.state for g in generators]
        message, arrays = server.answer_to({"given": name, "generators": states, **nodes}, encoder)
        for generator, state in zip(generators, message.get("generators", ()), strict=False):
            generator.bit_generator.state = state
        if message["kind"] == "failed":
            raise getattr(builtins, message["error"])(message["text"])
        return wire.Decoder(arrays, server.special([])).decode(message["value"])

    given.__name__ = given.__qualname__ = name
    return given


def _own(server: Server, name: str, own: Any) -> Any:
    if own is None:
        raise MissingName(f"{server.module.__name__}.py has no '{name}'")
    return own


ACTIONS: dict[str, Callable[[Server, Message, Arrays], Answered]] = {
    "load": load,
    "give": give,
    "call": call,
    "get": get,
    "set": put,
    "operator": operate,
    "take": take,
    "helper": run_helper,
}


def _data_alone(generators: list[np.random.Generator]) -> Callable[[Any], Any]:
    """For an encoder: generators cross by their states, anything else that is not data is refused."""

    def special(value: Any) -> Any:
        if not isinstance(value, np.random.Generator) or _generator_state(value) is None:
            raise wire.WireError("not data")
        if not any(g is value for g in generators):
            generators.append(value)
        return {"g": next(i for i, g in enumerate(generators) if g is value)}

    return special


def _generator(state: dict[str, Any]) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64(NO_SEED))
    generator.bit_generator.state = state
    return generator


def _generator_state(generator: np.random.Generator) -> Any:
    state = generator.bit_generator.state
    return state if state["bit_generator"] == "PCG64" else None


def _rebuilt(original: Any, values: list[Any]) -> Any:
    if isinstance(original, tuple):
        return type(original)._make(values)  # type: ignore[attr-defined]
    made = object.__new__(type(original))
    for field, value in zip(dataclasses.fields(original), values, strict=True):
        object.__setattr__(made, field.name, value)
    return made


def _raised(error: BaseException) -> dict[str, Any]:
    try:
        text = str(error)[:MAX_ERROR_TEXT]
    except BaseException:  # noqa: BLE001 - a hostile __str__
        text = "<the error has no readable message>"
    return {
        "kind": "raised",
        "type": type(error).__name__[:80],
        "mro": [c.__name__[:80] for c in type(error).__mro__][:16],
        "text": text,
        "frames": _frames(error),
        "wall": _wall(error),
    }


def _frames(error: BaseException) -> list[list[Any]]:
    """[line, function] of the submission's frames, outermost first; for a syntax error the line it names."""
    try:
        if isinstance(error, SyntaxError) and str(error.filename).startswith(ORIGIN):
            return [[error.lineno or 0, "<module>"]]
        frames = traceback.extract_tb(error.__traceback__, limit=-200)
        return [[f.lineno, f.name[:80]] for f in frames if f.filename.startswith(ORIGIN)][-8:]
    except BaseException:  # noqa: BLE001 - a hostile error must not end the worker
        return []


# --- what the walls refused, in a word -------------------------------------------------------------------------------

BY_MODULE = {  # who was at work when it was refused
    **dict.fromkeys(("socket", "ssl", "http", "urllib", "asyncio", "ftplib", "smtplib", "socketserver"), "network"),
    **dict.fromkeys(("subprocess", "multiprocessing", "concurrent", "pty"), "process"),
}
BY_NUMBER = {errno.EROFS: "write", errno.EACCES: "read", errno.EPERM: "process"}


def _wall(error: BaseException) -> str | None:
    """The wall that an error came from: "network", "process", "write", "read", or None for an error of its own."""
    try:
        for cause in _causes(error):
            if isinstance(cause, socket.gaierror):
                return "network"
            if isinstance(cause, OSError) and cause.errno in BY_NUMBER:
                return _user_of_wall(cause) or BY_NUMBER[cause.errno]
    except BaseException:  # noqa: BLE001 - a hostile error must not end the worker
        pass
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from; what merely came before it counts if it is the system's too."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        before = cause.__context__ if isinstance(cause, OSError) and not cause.__suppress_context__ else None
        cause = cause.__cause__ or before


def _user_of_wall(error: BaseException) -> str | None:
    names = (f.f_globals.get("__name__", "") for f, _ in traceback.walk_tb(error.__traceback__))
    walls = [BY_MODULE.get(name.partition(".")[0]) for name in names if isinstance(name, str)]
    return next((wall for wall in reversed(walls) if wall), None)
