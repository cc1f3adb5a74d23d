"""Nothing stands in the package, or is asked of whoever installs it, without a use; what waits for one says for which."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter

from toys import ROOT

GRADER = ROOT / "grader"
MODULE_OF = {"PyYAML": "yaml", "Jinja2": "jinja2", "dask-jobqueue": "dask_jobqueue", "scikit-image": "skimage"}
MODULE_OF |= {"scikit-learn": "sklearn", "pytest-xdist": "xdist", "pytest-timeout": "pytest_timeout"}
TOOLS = {"ruff", "mypy", "types-PyYAML", "types-tqdm", "pytest-xdist", "pytest-timeout"}  # run, not imported
CODE = ("grader", "tests/engine", "tests/course", "tests/hidden", "tests/public", "solutions")
PROMISED = {  # dependencies without code yet
    "Jinja2": "pages to look at: the HTML reports",
    "distributed": "grading on a cluster",
    "dask-jobqueue": "grading on a cluster",
}
WAITING = {  # names that the package itself does not use
    "SKIPPED": "hidden checks in a student's copy, which docs/reports.md promises",
    "list_topics": "click calls it",
    "nbgrader_build": "click calls it",
    "pytest_addoption": "pytest calls it",
    "pytest_collection_modifyitems": "pytest calls it",
    "pytest_collectreport": "pytest calls it",
    "default_schema": "pydantic calls it",
    "field_title_should_be_set": "pydantic calls it",
    "popitem": "refuses what a dict could do",
    "readinto": "io.BufferedReader calls it",
    "seekable": "io.BufferedReader calls it",
}


def modules_imported(folder: str) -> set[str]:
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").split(".")[0])
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[;~! ]", r)[0] for r in requirements}


def module_of(requirement: str) -> str:
    return MODULE_OF.get(requirement, requirement.replace("-", "_"))


def test_every_dependency_has_code_behind_it():
    """What pyproject.toml asks for is imported somewhere, or its reason stands in the list above, and no longer."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    shipped = names(project["dependencies"]) | {n for extra, r in extras.items() if extra != "dev" for n in names(r)}
    ours, everywhere = modules_imported("grader"), set().union(*map(modules_imported, CODE))
    unused = {n for n in shipped if module_of(n) not in ours}
    unused |= {n for n in names(extras["dev"]) - TOOLS if module_of(n) not in everywhere}

    assert unused == set(PROMISED)


def defined() -> set[str]:
    """Names of the package's public functions, classes, methods, and fields of classes."""
    found: set[str] = set()
    for path in GRADER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            if isinstance(node, ast.ClassDef):
                fields = [n for n in node.body if isinstance(n, ast.AnnAssign | ast.Assign)]
                targets = [t for n in fields for t in (n.targets if isinstance(n, ast.Assign) else [n.target])]
                found |= {t.id for t in targets if isinstance(t, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def test_every_name_is_used():
    """What the package defines occurs in it a second time, or is called from outside for a reason that stands here."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in GRADER.rglob("*.py"))
    words = Counter(re.findall(r"\w+", text))
    outside = "\n".join(
        p.read_text(encoding="utf-8") for p in [*ROOT.glob("tests/public/*.py"), *ROOT.glob("tests/hidden/**/*.py")]
    )
    lonely = {name for name in defined() if words[name] < 2 and not re.search(rf"\b{name}\b", outside)}

    assert lonely == set(WAITING)
