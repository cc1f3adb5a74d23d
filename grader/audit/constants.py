"""Answers that know nothing: whole modules, made from a topic's stub or its reference, that must earn no point.

Each strategy answers every call in one way: an error, a constant, an argument, or something of the very shape and
type that is right, but filled with one number. What such a module passes, a check gives away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PLACE = re.compile(r'^( +)raise NotImplementedError\("([\w.]+)"\)$', re.MULTILINE)

ERRORS = ("ValueError", "TypeError", "RuntimeError")
ANSWERS = {  # in terms of `given`, the list of arguments without self
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
FILLINGS = {  # in terms of `x`, an array or number of the right answer
    "zeros where the right numbers belong": "x * 0",
    "ones where the right numbers belong": "x * 0 + 1",
    "halves where the right numbers belong": "x * 0 + (0.5 if is_float(x) else 1)",
    "nan where the right numbers belong": "x * float('nan') if is_float(x) else x * 0",
}

ANSWERING = """

import copy

import numpy as np


def _answer(given):
    given = [value for name, value in given.items() if name not in ("self", "__class__")]
    return {answer}


def _with_attributes(kind):
    def attribute(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _answer(dict(vars(self)))

    kind.__getattr__ = attribute


for _kind in [value for value in globals().values() if isinstance(value, type) and value.__module__ == __name__]:
    _with_attributes(_kind)
"""

FILLING = """

import copy
import functools
import types

import numpy as np

_RIGHT = dict(globals())  # where the right functions find each other


def is_float(x):
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "is_floating_point", False) or (
        isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f")


def _filled(x):
    if isinstance(x, (tuple, list)):
        parts = [_filled(part) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {{name: _filled(part) for name, part in x.items()}}
    if isinstance(x, bool):
        return bool({filling}) if not is_float(x) else x
    if isinstance(x, np.ndarray) and x.dtype == bool:
        return np.full(x.shape, bool(np.asarray({filling}).any()) if x.size else False)
    if isinstance(x, np.ndarray):
        return np.full_like(x, _one(x.dtype.type(1)))
    if isinstance(x, (int, float, np.generic)):
        return type(x)(_one(x if np.isfinite(x) else type(x)(1)))
    if type(x).__module__ == "torch" and hasattr(x, "is_floating_point"):
        one = x.detach().new_ones(()).item()
        return x * 0 + _one(one) if x.is_floating_point() else x * 0
    return x


def _one(x):
    return {filling}


def _copies(arguments):
    try:
        return copy.deepcopy(arguments)
    except Exception:  # a tensor amid a graph has no copy
        return arguments


def _rebound(function):
    made = types.FunctionType(function.__code__, _RIGHT, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _empty_answers(function, fills_self):
    right = _rebound(function)

    @functools.wraps(function)
    def answer(*args, **kwargs):
        if not fills_self:
            args, kwargs = _copies((args, kwargs))  # what a function does to its arguments is no constant
        value = right(*args, **kwargs)
        if fills_self:
            for name, part in list(vars(args[0]).items()):
                if not name.startswith("_"):
                    vars(args[0])[name] = _filled(part)
        return _filled(value)

    return answer


for _name, _value in list(globals().items()):
    if isinstance(_value, types.FunctionType) and _name in {names!r}:
        globals()[_name] = _empty_answers(_value, False)
    elif isinstance(_value, type) and _name in {names!r}:
        for _method, _function in list(vars(_value).items()):
            if isinstance(_function, types.FunctionType):
                setattr(_value, _method, _empty_answers(_function, True))
"""


def know_nothings(stub: str, reference: str) -> Iterator[tuple[str, str]]:
    """(name, module text) of each strategy."""
    for error in ERRORS:
        yield f"raise {error}", PLACE.sub(rf'\1raise {error}("x")', stub)
    for name, answer in ANSWERS.items():
        yield f"return {name}", PLACE.sub(_returning, stub) + ANSWERING.format(answer=answer)
    names = sorted({found[2].partition(".")[0] for found in PLACE.finditer(stub)})
    for name, filling in FILLINGS.items():
        yield name, reference + FILLING.format(filling=filling, names=names)


def _returning(place: re.Match[str]) -> str:
    if place[2].endswith(".__init__"):
        return f"{place[1]}vars(self).update((k, v) for k, v in locals().items() if k not in ('self', '__class__'))"
    return f"{place[1]}return _answer(locals())"
