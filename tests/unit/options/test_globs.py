from __future__ import annotations

import pytest

from sluice.options.globs import Selection, name_filter, select_folder, select_glob


@pytest.mark.parametrize(
    ("pattern", "path", "default", "strict"),
    [
        ("/a/*/c/", "/a/b/c/file.txt", True, True),
        ("/a/*/c/", "/a/b/c/d/file.txt", True, True),
        ("/a/*/d/", "/a/b/c/d/file.txt", True, False),
        ("/a/*/c/", "/a/b/x/c/file.txt", True, False),
        ("/a/*/c", "/a/b/c_file.txt", True, False),
        ("/a/*/c/", "/a/b/c_file.txt", True, False),
        ("/a/*/c/", "/a/b/cookie/file.txt", True, False),
        ("/a/b*", "/a/b.txt", True, True),
        ("/a/b*", "/a/b/file.txt", True, True),
        ("/a/{0.txt,1.txt}", "/a/0.txt", True, True),
        ("/a/*/{0.txt,1.txt}", "/a/0.txt", False, False),
        ("/a/b/[cde-h]/i/", "/a/b/c/i/file.txt", True, True),
        ("/a/b/[^c]/i/", "/a/b/c/i/file.txt", False, False),
        ("/a/{x,y}", "/a/x_dir/file.txt", False, False),
        ("/a/?", "/a/b/file.txt", True, True),
        ("/a/?", "/a//file.txt", False, False),
        (r"/a/\*", "/a/*/file.txt", True, True),
        (r"/a/\*", "/a/b/file.txt", False, False),
    ],
)
def test_load_path_is_read_by_either_globber(
    pattern: str,
    path: str,
    default: bool,
    strict: bool,
) -> None:
    """Auto Loader documents two ways, and code that relies on one must get it."""
    taken = [
        select_glob(pattern, recursive=True, strict=each).takes(path)
        for each in (False, True)
    ]

    assert taken == [default, strict]


@pytest.mark.parametrize(
    ("pattern", "roots"),
    [
        ("/a/b*/c", ("/a",)),
        ("/a/{x,y}/*.json", ("/a/x", "/a/y")),
        ("/a/{x,x/y}", ("/a/x",)),
        ("/a/{x,xy}", ("/a/x", "/a/xy")),
        ("s3://b/in/*/d", ("s3://b/in",)),
    ],
)
def test_listing_begins_below_the_last_plain_folder(
    pattern: str, roots: tuple[str, ...]
) -> None:
    """Nothing beside what is named is listed, and nothing twice."""
    assert select_glob(pattern, recursive=True, strict=False).roots == roots


def entered(selection: Selection) -> list[str]:
    """Return which of some folders the selection opens."""
    folders = ["/a/b", "/a/b/c", "/a/b/c/d", "/a/b/x", "/a/b/x/c"]
    return [folder for folder in folders if selection.enters(folder)]


def test_strict_globber_opens_no_folder_in_vain() -> None:
    """A folder a day for years is not listed to read one day's."""
    strict = select_glob("/a/*/c", recursive=True, strict=True)
    flat = select_glob("/a/*/c", recursive=False, strict=True)

    assert entered(strict) == ["/a/b", "/a/b/c", "/a/b/c/d"]
    assert entered(flat) == ["/a/b", "/a/b/c"]


def test_without_recursion_only_the_named_folders_count() -> None:
    """A file deeper down is not the source's."""
    for strict in (False, True):
        selection = select_glob("/a/[bx]", recursive=False, strict=strict)
        assert selection.takes("/a/b/file")
        assert not selection.takes("/a/b/c/file")
    plain = select_folder("/a[1]", recursive=False)
    assert plain.takes("/a[1]/file")
    assert not plain.takes("/a[1]/b/file")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*.json", "a\nb.json", True),
        ("[!a]*", "b", True),
        ("[^a]*", "b", True),
        ("[^a]*", "a", False),
        ("a[b", "a[b", True),
        ("{a,b{c,d}}", "bd", True),
        ("a.json", "axjson", False),
    ],
)
def test_file_names_match_as_hadoop_has_it(
    pattern: str, name: str, *, expected: bool
) -> None:
    """A pattern that is read otherwise leaves files out in silence."""
    assert name_filter(pattern)(name) is expected


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("given", ["[!a]", "[^a]", "[+-9]", "[!ab]"])
def test_class_is_a_character_of_a_name(given: str, *, strict: bool) -> None:
    """As ``?`` is: what lies in a folder has not the folder's name."""
    selection = select_glob(f"/in/x{given}y", recursive=True, strict=strict)
    assert selection.takes("/in/x1y/file")
    assert not selection.takes("/in/x/y")
