"""Globs as Hadoop and Auto Loader read them: in the load path and in file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from sluice.paths import normalize

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")
_SPECIAL = re.compile(r"[*?\[{\\]")
_CLASS = re.compile(r"\[([!^]?)([^\]]+)\]")


def matches(name: str, pattern: str) -> bool:
    """Return True if a file name matches a glob as Hadoop understands it."""
    return name_filter(pattern)(name)


def name_filter(pattern: str) -> Callable[[str], bool]:
    """Return a function that says if a file name matches ``pattern``."""
    compiled = _compile(_alternatives(pattern), "[^/]*")
    return lambda name: compiled.fullmatch(name) is not None


def is_glob(path: str) -> bool:
    """Return True if ``path`` holds a character that a glob gives a meaning."""
    return _SPECIAL.search(path) is not None


def path_filter(glob: str, landing: str) -> Callable[[str], bool]:
    """Return what says whether a command's ``glob`` names the file at a path.

    Without a slash it is a file's name, in any folder. With one it is the whole path
    or its part below ``landing``, read as a strict load path: ``*`` stays within one
    folder name, and a folder means all files in it. A name or path that is spelled
    out always means its file, also where it holds characters of a glob.
    """
    if "/" not in glob:
        named = name_filter(glob)
        return lambda path: _is_either(path.rpartition("/")[2], glob, named)
    below = landing.rstrip("/") + "/"
    whole, part = (
        select_glob(each, recursive=True, strict=True).takes
        for each in (normalize(glob), glob)
    )
    return lambda path: (
        _is_either(path, glob, whole)
        or _is_either(path.removeprefix(below), glob, part)
    )


def _is_either(text: str, spelled: str, takes: Callable[[str], bool]) -> bool:
    return text == spelled or takes(text)


@dataclass(frozen=True)
class Selection:
    """Which folders to list, and which of the files below them a load path names.

    ``roots`` are the folders before the first wildcard, none within another.
    """

    roots: tuple[str, ...]
    _taken: re.Pattern[str] | None
    _entered: re.Pattern[str] | None

    def takes(self, path: str) -> bool:
        """Return True if the load path names ``path``, a file below a root."""
        return self._taken is None or self._taken.fullmatch(path) is not None

    def enters(self, folder: str) -> bool:
        """Return True if files that are taken may lie in ``folder`` or below it."""
        return self._entered is None or self._entered.fullmatch(folder) is not None


def select_folder(path: str, *, recursive: bool) -> Selection:
    """Return the selection of a load path that means itself."""
    if recursive:
        return Selection((path,), None, None)
    return Selection(
        (path,), re.compile(f"{re.escape(path)}(?s:/[^/]*)?"), _never_below(path)
    )


def select_glob(pattern: str, *, recursive: bool, strict: bool) -> Selection:
    """Return the selection of a load path with wildcards.

    ``strict`` is how Spark reads them: ``*`` stays within one folder name. Otherwise,
    as Auto Loader's default is, ``*`` goes across folders too, and the pattern need be
    only the beginning of a file's path.
    """
    plain = list(dict.fromkeys(each.rstrip("/") for each in _alternatives(pattern)))
    roots = _outermost(plain_root(each) for each in plain)
    taken = "|".join(_taken(each, recursive=recursive, strict=strict) for each in plain)
    if not strict:
        return Selection(roots, re.compile(taken), None)
    entered = "|".join(_entered(each, recursive=recursive) for each in plain)
    return Selection(roots, re.compile(taken), re.compile(entered))


def _never_below(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path))


def _taken(pattern: str, *, recursive: bool, strict: bool) -> str:
    below = "(?s:/.*)?" if recursive else "(?s:/[^/]*)?"
    if strict or not is_glob(pattern):
        return _translate(pattern, "[^/]*") + below
    return (
        _translate(pattern, "(?s:.*)")
        + ("" if recursive else "[^/]*")
        + ("(?s:.*)" if recursive else below)
    )


def _entered(pattern: str, *, recursive: bool) -> str:
    """Match the folders on the way to what ``pattern`` names, and those below."""
    first, *rest = pattern.split("/")
    nested = "(?s:/.*)?" if recursive else ""
    for part in reversed(rest):
        nested = f"(?:/{_translate(part, '[^/]*')}{nested})?"
    return _translate(first, "[^/]*") + nested


def plain_root(pattern: str) -> str:
    """Return the folder that a glob stays below; a plain path is its own."""
    parts = pattern.split("/")
    plain = next((n for n, part in enumerate(parts) if is_glob(part)), len(parts))
    return "/".join(parts[:plain]) or "/"


def _outermost(roots: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for root in sorted(set(roots)):
        if not kept or not root.startswith(kept[-1].rstrip("/") + "/"):
            kept.append(root)
    return tuple(kept)


def _alternatives(pattern: str) -> list[str]:
    """Spell out ``{a,b}``, which Hadoop's patterns have and Python's have not."""
    match = _ALTERNATIVES.search(pattern)
    if not match:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    choices = (f"{before}{choice}{after}" for choice in match[1].split(","))
    return [each for choice in choices for each in _alternatives(choice)]


def _compile(patterns: Iterable[str], star: str) -> re.Pattern[str]:
    return re.compile("|".join(_translate(each, star) for each in patterns))


def _translate(pattern: str, star: str) -> str:
    """Return the regular expression of a glob without alternatives.

    A ``*`` before another one takes as little as it can and never more: what it leaves
    the other one takes. So a name that does not fit costs no more than its length.
    """
    out, position, stars = [""], 0, []
    while position < len(pattern):
        taken, text = _token(pattern, position, star)
        if text == star:
            stars.append(len(out))
        out.append(text)
        position += taken
    for begin, end in pairwise(stars):
        lazy = f"{star}?" if star.endswith("*") else f"{star[:-1]}?)"
        out[begin] = f"(?>{lazy}"
        out[end - 1] += ")"
    return "".join(out)


def _token(pattern: str, position: int, star: str) -> tuple[int, str]:
    char = pattern[position]
    if char == "*":
        return 1, star
    if char == "?":
        return 1, "[^/]"
    if char == "\\" and position + 1 < len(pattern):
        return 2, re.escape(pattern[position + 1])
    found = _CLASS.match(pattern, position) if char == "[" else None
    if found is None:
        return 1, re.escape(char)
    negated = "^" if found[1] else ""
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", found[2])
    # No class leads from a folder into another: neither [!a] nor [+-9].
    return len(found[0]), f"(?!/)[{negated}{inside}]"
