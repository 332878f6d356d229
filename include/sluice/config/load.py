"""From a pipeline's name or file to its configuration, with errors that name a line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sluice.config.pipeline import PipelineConfig
from sluice.errors import Condition, UsageError

PIPELINES_FOLDER = Path(__file__).parents[2] / "pipelines"

# Planned keys: what nothing acts on would be relied on.
_NOT_BUILT = {"alerts"}
# A scheduler reads every file of the folder again and again, all in one process.
_MOST_BYTES, _MOST_LEVELS = 256 << 10, 32
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def list_pipelines(folder: Path | None = None) -> list[Path]:
    """Return the pipeline files of ``folder``, sorted by name."""
    return sorted((folder or pipelines_folder()).glob("*.yaml"))


def pipelines_folder() -> Path:
    """Return ``SLUICE_PIPELINES``, or the ``pipelines`` folder beside the package."""
    return Path(os.environ.get("SLUICE_PIPELINES") or PIPELINES_FOLDER)


def load_pipeline(name_or_path: str) -> PipelineConfig:
    """Read the pipeline called ``name_or_path``, or the file at that path.

    Raises:
        UsageError: no such pipeline, or the file is wrong; all mistakes are named with
            file and line, an unknown key with the nearest right one.
    """
    path = _find(name_or_path)
    content, lines = _read(path)
    if not isinstance(content, dict):
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"{path}: expected keys such as 'name:' and 'bronze:', got {content!r}",
        )
    content["lake"] = content.get("lake") or os.environ.get("SLUICE_LAKE") or "lake"
    try:
        config = PipelineConfig.model_validate(content)
    except ValidationError as error:
        raise _explain_error(error, path, lines) from None
    _require_own_name(path, config.name, lines.get(("name",), 1))
    path = path.resolve()
    has_name = path.parent == pipelines_folder().resolve() and path.suffix == ".yaml"
    config.call(path.stem if has_name else str(path))
    return config


def _require_own_name(path: Path, name: str, line: int) -> None:
    """Refuse a copy of another pipeline's file that kept its name."""
    other = path.with_name(f"{name}.yaml")
    if path.parent == pipelines_folder() and path != other and other.is_file():
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"{path}:{line}: key 'name' is {name!r}, which is another pipeline file: "
            f"both would write to one table; name it {path.stem!r}",
            {"path": str(path)},
        )


def _read(path: Path) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    """Return the content of a YAML file, and the line of each key."""
    try:
        text = _text(path)
        _require_plain(text, path)
        return yaml.safe_load(text), _line_numbers(text, path)
    except OSError as error:
        raise _invalid(f"{path}: cannot be read: {error.strerror}", path) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError: bytes that are not UTF-8, or a date such as 2025-02-31.
        # OverflowError: a number in base 60, such as 1:1:1.5, of very many parts.
        raise _invalid(
            f"{path}: not valid YAML: {error}; correct the file", path
        ) from None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise _invalid(
            f"{path}: a pipeline file has at most {_MOST_BYTES:,} bytes; shorten it",
            path,
        )
    return content.decode()


def _require_plain(text: str, path: Path) -> None:
    """Refuse what makes much of a few lines, or something else of what is written.

    An alias names another part of the file, a tag has a value made by another rule.
    """
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        refused = None
        if isinstance(token, yaml.AliasToken):
            refused = (
                f"alias '*{token.value}' is not taken; write out what it stands for"
            )
        elif isinstance(token, yaml.TagToken):
            tag = "".join(filter(None, token.value))
            refused = f"tag {tag!r} is not taken; write the value without it"
        elif depth > _MOST_LEVELS:
            refused = (
                f"lists or keys are nested too deeply, at most {_MOST_LEVELS} "
                "levels are taken; correct the file"
            )
        if refused is not None:
            line = token.start_mark.line + 1
            raise _invalid(f"{path}:{line}: {refused}", path, line=line)


def _invalid(message: str, path: Path, **context: int) -> UsageError:
    return UsageError(Condition.CONFIG_INVALID, message, {"path": str(path), **context})


def _find(name_or_path: str) -> Path:
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        path = Path(name_or_path)
    else:
        path = pipelines_folder() / f"{name_or_path}.yaml"
    if path.is_file():
        return path
    known = [each.stem for each in list_pipelines()]
    raise UsageError(
        Condition.CONFIG_NOT_FOUND,
        f"pipeline {name_or_path!r}: there is no file {str(path)!r}; "
        f"known pipelines are {known}, or name a YAML file",
        {"known": known},
    )


def _line_numbers(text: str, path: Path) -> dict[tuple[str | int, ...], int]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return dict(_walk(root, (), path)) if root else {}


def _walk(
    node: yaml.Node, location: tuple[str | int, ...], path: Path
) -> Iterable[tuple[tuple[str | int, ...], int]]:
    yield location, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        yield from _walk_mapping(node, location, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _walk(child, (*location, index), path)


def _walk_mapping(
    node: yaml.MappingNode, location: tuple[str | int, ...], path: Path
) -> Iterable[tuple[tuple[str | int, ...], int]]:
    seen: set[str] = set()
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.value in seen:
            raise UsageError(
                Condition.CONFIG_INVALID,
                f"{path}:{line}: key {key.value!r} is given twice; keep one",
                {"line": line},
            )
        seen.add(key.value)
        yield from _walk(child, (*location, key.value), path)
        yield (*location, key.value), line


def _explain_error(
    error: ValidationError, path: Path, lines: dict[tuple[str | int, ...], int]
) -> UsageError:
    details = error.errors()
    unknown = [each for each in details if each["type"] == "extra_forbidden"]
    condition = Condition.CONFIG_UNKNOWN_KEY if unknown else Condition.CONFIG_INVALID
    texts = [f"{path}:{_line(each, lines)}: {_sentence(each)}" for each in details]
    return UsageError(
        condition,
        "\n".join(texts),
        {"keys": [_dotted(each) for each in details], "path": str(path)},
    )


def _line(detail: ErrorDetails, lines: dict[tuple[str | int, ...], int]) -> int:
    location = detail["loc"]
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 1)


def _sentence(detail: ErrorDetails) -> str:
    key = _dotted(detail)
    if key in _NOT_BUILT:
        return f"key {key!r} is not built yet; remove it"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {_nearest(detail['loc'])}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"key {key!r}: {message}, got {detail['input']!r}"


def _dotted(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"])


def _nearest(location: tuple[str | int, ...]) -> str:
    known = _known_keys(PipelineConfig, location[:-1])
    close = get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known keys here are {sorted(known)}"


def _known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    if not location:
        return list(fields)
    info = fields.get(str(location[0]))
    models = list(_models_in(info.annotation)) if info else []
    rest = [part for part in location[1:] if isinstance(part, str)]
    if info and get_origin(info.annotation) is dict:
        rest = rest[1:]  # the name of an entry
    if info and not models:
        return []
    return _known_keys(models[0], tuple(rest)) if models else []


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
