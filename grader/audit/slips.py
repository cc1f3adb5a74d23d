"""The slips that mutants make: one function for each kind, from a node of the syntax tree to what might stand there.

The kinds are those that people make in numeric code; a slip that no run can show (a message, a name) is not among them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

Change = tuple[str, ast.expr, ast.expr]  # kind, what is replaced, what replaces it
TINY = 1e-3  # a constant below it keeps a division or a logarithm away from 0

OTHER_OPERATOR: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
OTHER_COMPARISON: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
OTHER_NAME = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum",
    "argmax": "argmin", "argmin": "argmax", "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like",
    "ones_like": "zeros_like", "floor": "ceil", "ceil": "floor", "any": "all", "all": "any", "var": "std", "std": "var",
    "sin": "cos", "cos": "sin", "standard_normal": "random", "cumsum": "cumprod", "prod": "sum", "tril": "triu",
    "triu": "tril", "append": "extend",
}  # fmt: skip
DROPPED_CALLS = ("copy", "clone", "detach", "astype", "swapaxes", "flip", "reversed", "sorted")
DROPPED_FUNCTIONS = ("sqrt", "exp", "log", "log1p", "expm1", "abs", "tanh", "square", "sigmoid", "softplus", "float")
SYMMETRIC = (
    "isinstance", "maximum", "minimum", "max", "min", "logaddexp", "allclose", "array_equal", "zip", "range", "getattr",
    "hasattr", "issubclass", "hypot", "add", "multiply", "zeros", "empty", "ones", "shares_memory",
)  # fmt: skip


def expression_changes(node: ast.expr) -> Iterator[Change]:
    """Every slip at this node; what it holds is asked for its own."""
    for rule in RULES:
        yield from rule(node)


def statement_changes(node: ast.stmt) -> Iterator[tuple[str, str, str]]:
    """(kind, what it reads like afterwards, text) of slips that concern a whole statement."""
    dropped = isinstance(node, (ast.AugAssign, ast.Expr)) or (
        isinstance(node, ast.Assign) and not all(isinstance(t, (ast.Name, ast.Tuple)) for t in node.targets)
    )
    if dropped:
        yield "dropped statement", "pass", "pass"
    if isinstance(node, ast.AugAssign) and type(node.op) in OTHER_OPERATOR:
        other = copy.copy(node)
        other.op = OTHER_OPERATOR[type(node.op)]()
        yield "operator", ast.unparse(other), ast.unparse(other)
    if isinstance(node, (ast.For, ast.While)) and not isinstance(node.body[-1], (ast.Return, ast.Break, ast.Raise)):
        once = copy.copy(node)
        once.body = [*node.body, ast.Break()]
        text = ast.unparse(ast.fix_missing_locations(once)).replace("\n", "\n" + " " * node.col_offset)
        yield "ended early", "the loop ends after its first pass", text


# --- arithmetic ------------------------------------------------------------------------------------------------------


def _operators(node: ast.expr) -> Iterator[Change]:
    """a + b for a - b, a * b for a / b; the operands of @ swapped; rounding up for rounding down."""
    if not isinstance(node, ast.BinOp):
        return
    if type(node.op) in OTHER_OPERATOR:
        yield "operator", node, _but(node, op=OTHER_OPERATOR[type(node.op)]())
    elif isinstance(node.op, ast.MatMult):
        yield "swapped operands", node, _but(node, left=node.right, right=node.left)
    elif isinstance(node.op, ast.FloorDiv):
        negative = ast.BinOp(ast.UnaryOp(ast.USub(), node.left), ast.FloorDiv(), node.right)
        yield "rounding", node, ast.UnaryOp(ast.USub(), negative)


def _dropped_terms(node: ast.expr) -> Iterator[Change]:
    """a, and b, for a + b or a * b; a alone where the two are not alike."""
    if not isinstance(node, ast.BinOp) or isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        return
    yield "dropped term", node, node.left
    if isinstance(node.op, (ast.Add, ast.Mult)):
        yield "dropped term", node, node.right


def _signs(node: ast.expr) -> Iterator[Change]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield ("sign" if isinstance(node.op, ast.USub) else "condition negated"), node, node.operand


def _constants(node: ast.expr) -> Iterator[Change]:
    """n + 1 for n, double for a fraction, and for what keeps away from zero: 0, and a thousand times as much."""
    if not isinstance(node, ast.Constant):
        return
    value: Any = node.value
    if type(value) is int:
        yield "constant", node, ast.Constant(value + 1)
        if value > 0:
            yield "constant", node, ast.Constant(value - 1)
    elif type(value) is float and 0 < value < TINY:
        yield "eps", node, ast.Constant(value * 1000)
        yield "eps", node, ast.Constant(0.0)
    elif type(value) is float:
        yield "constant", node, ast.Constant(value * 2 if value else 1.0)
    elif type(value) is bool:
        yield "constant", node, ast.Constant(not value)


def _eps_moved(node: ast.expr) -> Iterator[Change]:
    """sqrt(v + eps) for sqrt(v) + eps, and the other way round."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        if _is_eps(node.right) and _name(node.left) == "sqrt" and isinstance(node.left, ast.Call):
            inner = ast.BinOp(node.left.args[0], ast.Add(), node.right)
            yield "eps moved", node, _but(node.left, args=[inner])
    elif isinstance(node, ast.Call) and _name(node) == "sqrt" and node.args:
        inside = node.args[0]
        if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Add) and _is_eps(inside.right):
            yield "eps moved", node, ast.BinOp(_but(node, args=[inside.left]), ast.Add(), inside.right)


def _is_eps(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is float and 0 < node.value < TINY
    return (isinstance(node, ast.Name) and "eps" in node.id) or (isinstance(node, ast.Attribute) and "eps" in node.attr)


# --- conditions ------------------------------------------------------------------------------------------------------


def _comparisons(node: ast.expr) -> Iterator[Change]:
    """The border moved, or the direction turned."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in OTHER_COMPARISON[type(op)]:
                yield "comparison", node, _but(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def _conditions(node: ast.expr) -> Iterator[Change]:
    """`or` for `and`, one condition left out, or a choice turned round."""
    if isinstance(node, ast.BoolOp):
        yield "condition", node, _but(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for i in range(len(node.values)):
            rest = [*node.values[:i], *node.values[i + 1 :]]
            yield "condition dropped", node, rest[0] if len(rest) == 1 else _but(node, values=rest)
    elif isinstance(node, ast.IfExp):
        yield "condition negated", node, _but(node, body=node.orelse, orelse=node.body)


# --- axes and indices ------------------------------------------------------------------------------------------------


def _keywords(node: ast.expr) -> Iterator[Change]:
    """Another axis, or none; keepdims left out."""
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        without = [*node.keywords[:i], *node.keywords[i + 1 :]]
        if keyword.arg in ("axis", "dim"):
            yield "axis", node, _but(node, keywords=without)
            for other in _other_axes(keyword.value):
                yield "axis", keyword.value, other
        elif keyword.arg in ("keepdims", "keepdim"):
            yield "keepdims", node, _but(node, keywords=without)


def _other_axes(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Constant) and node.value in (0, 1, 2):
        yield ast.Constant(1 if node.value == 0 else 0)
    elif isinstance(node, ast.UnaryOp):
        yield ast.Constant(0)
    elif isinstance(node, ast.Tuple):
        for i in range(len(node.elts)):
            yield _but(node, elts=[*node.elts[:i], *node.elts[i + 1 :]])


def _transposes(node: ast.expr) -> Iterator[Change]:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield "transpose", node, node.value
    elif isinstance(node, ast.Call) and _name(node) in ("transpose", "permute"):
        if len(node.args) >= 2:
            yield "transpose", node, _but(node, args=[*node.args[:-2], node.args[-1], node.args[-2]])
        elif isinstance(node.func, ast.Attribute):
            yield "transpose", node, node.func.value


def _slices(node: ast.expr) -> Iterator[Change]:
    """A border of a slice one further, or left out; a step left out or turned round."""
    if not isinstance(node, ast.Slice):
        return
    for border in ("lower", "upper"):
        value = getattr(node, border)
        if value is not None:
            yield "off by one", value, _plus_one(value)
            yield "slice", node, _but(node, **{border: None})
        elif border == "lower" and node.step is None:
            yield "off by one", node, _but(node, lower=ast.Constant(1))
    if node.step is not None:
        yield "slice", node, _but(node, step=None)


def _ranges(node: ast.expr) -> Iterator[Change]:
    """One pass more, one less, or one too late."""
    if not isinstance(node, ast.Call) or _name(node) not in ("range", "arange") or node.keywords:
        return
    stop = node.args[0] if len(node.args) == 1 else node.args[1]
    yield "off by one", stop, _plus_one(stop)
    yield "off by one", stop, ast.BinOp(stop, ast.Sub(), ast.Constant(1))
    if len(node.args) == 1:
        yield "off by one", node, _but(node, args=[ast.Constant(1), stop])


def _plus_one(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Add(), ast.Constant(1))


# --- calls -----------------------------------------------------------------------------------------------------------


def _other_functions(node: ast.expr) -> Iterator[Change]:
    """mean for sum, max for min, ones for zeros."""
    if not isinstance(node, ast.Call) or _name(node) not in OTHER_NAME:
        return
    other = OTHER_NAME[_name(node)]
    if isinstance(node.func, ast.Attribute):
        yield "function", node, _but(node, func=_but(node.func, attr=other))
    elif isinstance(node.func, ast.Name) and other in ("max", "min", "any", "all"):
        yield "function", node, _but(node, func=ast.Name(other))


def _dropped_calls(node: ast.expr) -> Iterator[Change]:
    """x for x.copy(), and for sqrt(x)."""
    if not isinstance(node, ast.Call):
        return
    name, function = _name(node), node.func
    if name in DROPPED_FUNCTIONS and len(node.args) == 1:
        yield "dropped function", node, node.args[0]
    elif name in DROPPED_CALLS and _of_module(function) and node.args:
        yield "dropped call", node, node.args[0]
    elif name in DROPPED_CALLS and isinstance(function, ast.Attribute):
        yield "dropped call", node, function.value


def _of_module(function: ast.expr) -> bool:
    """Whether it is np.copy rather than the method x.copy."""
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id in ("np", "torch")
    return isinstance(function, ast.Name)


def _swapped_arguments(node: ast.expr) -> Iterator[Change]:
    if not isinstance(node, ast.Call) or _name(node) in (*SYMMETRIC, "transpose", "permute", "reshape", "arange"):
        return
    if len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[-2:]):
        yield "swapped arguments", node, _but(node, args=[*node.args[:-2], node.args[-1], node.args[-2]])


def _name(node: ast.expr) -> str:
    """The last name of what is called, `sqrt` of `np.sqrt(x)`."""
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _but(node: Any, **fields: Any) -> Any:
    """The same node with some fields changed."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


RULES: tuple[Callable[[ast.expr], Iterator[Change]], ...] = (
    _operators,
    _dropped_terms,
    _signs,
    _constants,
    _eps_moved,
    _comparisons,
    _conditions,
    _keywords,
    _transposes,
    _slices,
    _ranges,
    _other_functions,
    _dropped_calls,
    _swapped_arguments,
)
