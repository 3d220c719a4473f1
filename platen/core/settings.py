"""Reading settings: one YAML file a run, one typed section a stage."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from platen.core.errors import InputError, SettingsError
from platen.core.telemetry import log


class Settings(BaseModel):
    """Base of every section.

    Unknown keys are refused. A field declared with `exclude=True` changes how the work is done
    (workers, time limits), not what comes out, and so stays out of the fingerprint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)
UNION_MEMBER = re.compile(r"(constrained-)?(float|int|str|bool)|literal\[.*\]")


def matching(pattern: str, otherwise: str) -> AfterValidator:
    """Takes a text that is wholly of a pattern, and refuses any other: the value, and `otherwise` what it is not."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{value!r} {otherwise}")
        return value

    return AfterValidator(check)


def load_file(path: Path) -> str:
    """The text of a settings file. Raises InputError where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such settings file; `platen settings` prints one") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise InputError(f"{path}: not a YAML text file; `platen settings` prints one") from None


def load_files(paths: Sequence[Path]) -> str:
    """The text of a settings file; of several, what they say together: a later one has the last word on each field.

    A section that is empty in a later file changes nothing, which may not be what was meant: a warning says so.
    """
    if len(paths) == 1:
        return load_file(paths[0])
    merged: dict[str, Any] = {}
    filled_by: dict[str, Path] = {}  # file by section, dotted
    for path in paths:
        values = mapping(load_file(path), str(path))
        for name, given in sections(values):
            if given:
                filled_by[name] = path
            elif name in filled_by and value_at(merged, name):
                log.warning(
                    "%s: %s: {} is empty and changes nothing; what %s sets there is kept. "
                    "To change it, set its fields, or null if null is allowed",
                    path,
                    name,
                    filled_by[name],
                )
        merged = over(merged, values)
    return yaml.safe_dump(merged, sort_keys=False, allow_unicode=True)


def sections(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All mappings in a mapping, at any depth, by dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{above}{name}", value
            yield from sections(value, f"{above}{name}.")


def value_at(values: Mapping[str, Any], name: str) -> Any:
    """What a dotted name leads to; None where it leads nowhere."""
    found: Any = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one, section by section; a list is replaced whole."""
    both = {
        name: over(below[name], value) if isinstance(value, dict) and isinstance(below.get(name), dict) else value
        for name, value in above.items()
    }
    return {**below, **both}


def everything(section: BaseModel) -> dict[str, Any]:
    """All values of a section by field, those outside of the fingerprint too."""
    return {name: everything(value) if isinstance(value, BaseModel) else value for name, value in section}


def given(section: BaseModel) -> dict[str, Any]:
    """The values of a section that were set, and are not there by default, by field."""
    return {
        name: given(value) if isinstance(value, BaseModel) else value
        for name, value in section
        if name in section.model_fields_set
    }


def parse(model: type[S], text: str, file: str | None = None) -> S:
    """Settings of a type, from YAML (or JSON) text."""
    return build(model, mapping(text, file), file)


def section(model: type[S], text: str, name: str, file: str | None = None) -> S:
    """One stage's settings, from the text of the whole run's settings."""
    values = mapping(text, file).get(name)
    return build(model, {} if values is None else values, file, prefix=name)


def mapping(text: str, file: str | None = None) -> dict[str, Any]:
    """The top level of a YAML text: a mapping, empty where the text is."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file or 'settings'}: not YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{file or 'settings'}: a {type(values).__name__}, not sections with settings")
    return values


def build(model: type[S], values: object, file: str | None = None, prefix: str = "") -> S:
    """Validate values; the first fault is raised as a SettingsError that names the field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explain(model, error.errors()[0], file, prefix) from None


def _explain(model: type[BaseModel], fault: ErrorDetails, file: str | None, prefix: str) -> SettingsError:
    names = [str(part) for part in fault["loc"]]
    if len(names) > 1 and UNION_MEMBER.fullmatch(names[-1]):
        names.pop()  # pydantic names the member of a union that it tried: train.objective.min_snr_gamma.float
    field = ".".join(filter(None, [prefix, *names]))
    if fault["type"] == "extra_forbidden":
        return SettingsError(field, "unknown setting", nearest(names[-1], fields_at(model, names[:-1])), file)
    if fault["type"] == "missing":
        return SettingsError(field, "not set", accepted_by(model, names), file)
    if fault["type"] == "value_error":
        return SettingsError(field or "settings", str(fault["ctx"]["error"]), "see above", file)
    return SettingsError(field or "settings", f"{fault['input']!r} ({fault['msg']})", accepted_by(model, names), file)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name closest to a mistyped one, and the others behind it."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"{close[0]} (did you mean that?), or another of {', '.join(names)}" if close else ", ".join(names)


def fields_at(model: type[BaseModel], path: Iterable[str]) -> Mapping[str, Any]:
    """The fields of the section that a dotted path leads to."""
    for name in path:
        if name in model.model_fields:
            model = _section_type(model.model_fields[name].annotation) or model
    return model.model_fields


def accepted_by(model: type[BaseModel], path: list[str]) -> str:
    """What a field takes, in words: its description, or its type. An item of a list goes by the list's field."""
    for end in range(len(path), 0, -1):
        field = fields_at(model, path[: end - 1]).get(path[end - 1])
        if field is not None:
            return field.description or str(field.annotation)
    return "a mapping of settings"


def _section_type(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_section_type(argument) for argument in get_args(annotation))  # of a list or a mapping: what is in it
    return next((section for section in found if section is not None), None)


def document(model: type[BaseModel], indent: int = 0) -> str:
    """All settings of a type as commented YAML, each at its default; a section that is not set, in comments."""
    lines = []
    for name, field in model.model_fields.items():
        pad = "  " * indent
        lines += [f"{pad}# {field.description}"] if field.description else []
        inner = _section_type(field.annotation)
        default = field.get_default(call_default_factory=True)
        section = inner is not None and (field.is_required() or isinstance(default, inner))
        if inner is not None and section:
            lines += [f"{pad}{name}:", document(inner, indent + 1)]
            continue
        value = default.model_dump(mode="json") if isinstance(default, BaseModel) else _plain(field, default)
        lines.append(f"{pad}{name}: {_inline(value)}")
        if inner is not None and default is None:
            lines += [f"{pad}# or:", *(f"{pad}# {line}" for line in [f"{name}:", *document(inner, 1).split("\n")])]
    return "\n".join(lines)


def _plain(field: Any, default: Any) -> Any:
    if field.is_required():
        return None
    if isinstance(default, (list, tuple)):
        return [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in default]
    if isinstance(default, Mapping):
        return dict(default)
    return default if isinstance(default, (str, int, float, bool, type(None))) else str(default)


def _inline(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
