"""What a file's name says: the topic that it is for, whether it was handed out, and how near the name is.

Names come from students, browsers and LMSs: `HW3_optimizers (1).py.txt` is a file for optimizers.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

SUFFIXES = (".py", ".ipynb")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".xz", ".txz", ".bz2", ".7z", ".rar")
_NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.I)
_MODULE = re.compile(r"\.(py|pyw|py3)(\.txt|\.py)?$", re.I)
_LOOSE = re.compile(r"\.txt$", re.I)
_HANDED_OUT = re.compile(r"^(test|tests|check|checks|hint|hints|capstone|capstones|example|examples|stub|stubs)$")
_ADDED = frozenset(  # what people add to a topic's name, beside their own
    (
        "hw homework week wk assignment task lab ex exercise sheet part final copy my solution solutions "
        "submission submit attempt try version new mine work the project kopie von of for fixed corrected "
        "updated latest done main master abgabe blatt notebook code py ipynb zip and late topic old backup "
        "backups draft drafts bak"
    ).split()
)
_LAST = ("old", "backup", "backups", "draft", "drafts", "bak")
_TOP_NAME = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]*)?=[^=]", re.M)


def words_of_name(name: str) -> list[str]:
    """Runs of letters, in lower case; digits and all else stand between them."""
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", name).casefold())


class TopicNames:
    """The topics of a course, to be found in names of files."""

    def __init__(self, topics: Iterable[str], lenient: bool = True) -> None:
        self.lenient = lenient
        self.topics = frozenset(topics)
        longest_first = sorted(self.topics, key=lambda t: (-len(t), t))
        self.words = {t: [w for w in re.split(r"[_\d]+", t) if w] for t in longest_first}

    def exact(self, path: PurePosixPath) -> str | None:
        """The topic whose file bears just this name."""
        return path.stem if path.stem in self.topics and path.suffix in SUFFIXES else None

    def near(self, path: PurePosixPath) -> str | None:
        """The longest topic whose name stands in this one between separators, where it may be a file of work."""
        stem = without_suffix(path.name)
        if stem is None or not self.lenient or handed_out(path):
            return None
        return self.within(stem)

    def within(self, text: str) -> str | None:
        """The longest topic whose name stands in a text between separators."""
        words = words_of_name(text)
        return next((t for t, wanted in self.words.items() if wanted and _stands_in(wanted, words)), None)

    def signed(self, text: str) -> bool:
        """Whether words stand beside a topic's that say nothing of tries or tasks: somebody's name."""
        topic = self.within(text)
        rest = [w for w in words_of_name(text) if w not in self.words.get(topic or "", ()) and w not in _ADDED]
        return any(len(word) > 1 and word != "".join(self.words.get(topic or "", ())) for word in rest)


def _stands_in(wanted: list[str], words: list[str]) -> bool:
    """Whether the words stand there in a row, or run together as one: `viola_jones`, `ViolaJones`."""
    length = len(wanted)
    in_a_row = any(words[i : i + length] == wanted for i in range(len(words) - length + 1))
    return in_a_row or "".join(wanted) in words


def without_suffix(name: str) -> str | None:
    """The name of what may be a module, a notebook or a text, without its suffixes; None for any other file."""
    for pattern in (_NOTEBOOK, _MODULE, _LOOSE):
        if found := pattern.search(name):
            return name[: found.start()]
    return None


def is_notebook(name: str) -> bool:
    """Whether a name is a notebook's, with what browsers add to it."""
    return _NOTEBOOK.search(name) is not None


def is_code(name: str) -> bool:
    """Whether a name is a module's or a notebook's."""
    return is_notebook(name) or _MODULE.search(name) is not None


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive that work may be handed in as."""
    return name.lower().endswith(ARCHIVES)


def handed_out(path: PurePosixPath) -> bool:
    """Whether a file is named like what a course hands out: tests, checks, hints, capstones, examples, stubs."""
    words = words_of_name(without_suffix(path.name) or path.name)
    return bool(words) and any(_HANDED_OUT.match(word) for word in (words[0], words[-1]))


def is_check(path: PurePosixPath) -> bool:
    """Whether a file is named like checks or tests, which name what they test."""
    return path.name.lower().startswith(("test", "check", "public_checks"))


def comes_last(path: PurePosixPath) -> bool:
    """Whether a part of the path says that there is something better: old, backup, draft."""
    return any(word in _LAST for part in path.parts for word in words_of_name(part))


def attempt_of(path: PurePosixPath) -> int:
    """The number of a try, where a part of the path tells: `attempt2.zip/...`; else 0."""
    found = [re.search(r"(?:attempt|try|submission|version)[ _-]*(\d{1,6})(?!\d)", part, re.I) for part in path.parts]
    return max((int(match[1]) for match in found if match), default=0)


# --- what a text defines ---------------------------------------------------------------------------------------------


def defined(tree: ast.Module) -> list[str]:
    """The names that a module binds at its top, in ifs and tries too; nothing is run."""
    found: dict[str, None] = {}
    waiting: list[ast.stmt] = list(tree.body)
    for node in waiting:
        found |= dict.fromkeys(_bound(node))
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                waiting += getattr(node, inner, [])
    return list(found)


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def seem_defined(text: str) -> list[str]:
    """The same for a text that does not parse, by its lines alone."""
    return list(dict.fromkeys(a or b for a, b in _TOP_NAME.findall(text)))
