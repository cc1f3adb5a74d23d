"""Answers that know nothing: whole modules, made of a topic's stub or its reference, that must earn no point.

Each answers every call in one way: by an error, a constant, an argument, or by what is right in kind, shape and dtype
but filled with one number. What such a module passes, a check gives away. The templates run in the worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PLACE = re.compile(r'^( +)raise NotImplementedError\("([\w.]+)"\)$', re.MULTILINE)  # of a body, in a stub

ERRORS = ("ValueError", "TypeError", "RuntimeError")
ANSWERS = {  # in terms of `given`, the arguments without self
    "None": "None",
    "()": "()",
    "[]": "[]",
    "{}": "{}",
    "''": "''",
    "0": "0",
    "1": "1",
    "0.0": "0.0",
    "1.0": "1.0",
    "nan": "float('nan')",
    "inf": "float('inf')",
    "True": "True",
    "False": "False",
    "zeros(0)": "np.zeros(0)",
    "zeros((1, 1))": "np.zeros((1, 1))",
    "(0.0, 0.0)": "(0.0, 0.0)",
    "(0.0, 0.0, 0.0)": "(0.0, 0.0, 0.0)",
    "the first argument": "given[0] if given else None",
    "a copy of the first argument": "copy.deepcopy(given[0]) if given else None",
    "the last argument": "given[-1] if given else None",
    "all arguments": "tuple(given)",
    "copies of all arguments": "copy.deepcopy(tuple(given))",
    "the first argument twice": "tuple(given[:1] * 2)",
    "zeros like the first argument": "given[0] * 0 if given else None",
    "copies of the first argument and of all": "copy.deepcopy((given[0], tuple(given))) if given else None",
}
FILLINGS = {  # in terms of `x`, a number of the right answer, or a tensor of them
    "zeros": "x * 0",
    "ones": "x * 0 + 1",
    "halves": "x * 0 + (0.5 if is_float(x) else 1)",
    "nan": "x * float('nan') if is_float(x) else x * 0",
}


def constant_modules(stub: str, reference: str) -> Iterator[tuple[str, str]]:
    """(how it answers, module text) of each."""
    for error in ERRORS:
        yield f"raise {error}", PLACE.sub(rf'\1raise {error}("x")', stub)
    for name, answer in ANSWERS.items():
        yield f"return {name}", PLACE.sub(_returning, stub) + ANSWERING.format(answer=answer)
    names = sorted({place[2].partition(".")[0] for place in PLACE.finditer(stub)})
    for name, filling in FILLINGS.items():
        yield f"return {name} of the right shape", reference + FILLING.format(filling=filling, names=names)


def _returning(place: re.Match[str]) -> str:
    if place[2].endswith(".__init__"):
        return f"{place[1]}vars(self).update((k, v) for k, v in locals().items() if k not in ('self', '__class__'))"
    return f"{place[1]}return _answer(locals())"


ANSWERING = """

import copy

import numpy as np


def _answer(given):
    given = [value for name, value in given.items() if name not in ("self", "__class__")]
    return {answer}


def _attribute(self, name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _answer(vars(self))


for _kind in list(globals().values()):
    if isinstance(_kind, type) and _kind.__module__ == __name__:
        _kind.__getattr__ = _attribute
"""

FILLING = """

import copy
import functools
import types

import numpy as np

_RIGHT = dict(globals())  # where the right functions find each other


def is_float(x):
    kind = getattr(x, "dtype", None)
    return isinstance(x, float) or getattr(kind, "kind", "") == "f" or getattr(kind, "is_floating_point", False)


def _one(x):
    return {filling}


def _filled(x):
    if isinstance(x, (tuple, list)):
        parts = [_filled(part) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {{name: _filled(part) for name, part in x.items()}}
    if isinstance(x, (bool, np.bool_)):
        return type(x)(_one(1))
    if isinstance(x, np.ndarray):
        return np.full_like(x, _one(x.dtype.type(1)))
    if isinstance(x, (int, float, np.generic)):
        return type(x)(_one(type(x)(1)))
    if type(x).__module__ == "torch" and hasattr(x, "is_floating_point"):
        return _one(x) if x.is_floating_point() else x * 0  # keeps the graph
    return x


def _copies(arguments):
    try:
        return copy.deepcopy(arguments)
    except Exception:  # a tensor amid a graph has no copy
        return arguments


def _rebound(function):
    made = types.FunctionType(function.__code__, _RIGHT, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _constant(function, is_method):
    right = _rebound(function)

    @functools.wraps(function)
    def answer(*args, **kwargs):
        if not is_method:
            args, kwargs = _copies((args, kwargs))  # what a function does to its arguments is no constant
        value = right(*args, **kwargs)
        for name, part in list(vars(args[0]).items()) if is_method else ():
            if not name.startswith("_"):
                vars(args[0])[name] = _filled(part)
        return _filled(value)

    return answer


for _name, _value in list(globals().items()):
    if _name in {names!r} and isinstance(_value, types.FunctionType):
        globals()[_name] = _constant(_value, False)
    elif _name in {names!r} and isinstance(_value, type):
        for _method, _function in list(vars(_value).items()):
            if isinstance(_function, types.FunctionType):
                setattr(_value, _method, _constant(_function, True))
"""
