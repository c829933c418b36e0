"""Recipes as files: YAML or JSON, the same words as the command line's options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

EXAMPLE = "hosts: [scans], cases: 100"
_SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST_BYTES = 50_000_000
# What is not text without quotes. YAML's own list would make 65 of 1:5, 10 of 012 and false of no.
_PLAIN_WORDS = (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+)", list("-+.0123456789")),
)


def read_recipe_file(path: Path) -> dict[str, Any]:
    """What a recipe file says, not yet checked; keys as written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path}: not a recipe by its name; end it in {', '.join(_SUFFIXES)}")
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path}: too large for a recipe; list many hosts in a table (CSV)")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a recipe in YAML or JSON") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a recipe in YAML or JSON") from error
    except ValueError:
        raise InputError(f"{path}: not a text file; give a recipe in YAML or JSON") from None
    found = _parsed_json(path, text) if path.suffix.lower() == ".json" else _parsed_yaml(path, text)
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise InputError(f"{path}: not a recipe; write lines such as {EXAMPLE}")
    return dict(found)


def _parsed_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _without_twins(path, pairs))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a JSON file ({error}); check commas and quotes") from None


def _without_twins(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"{path}: '{key}' is given twice; give it once")
    return dict(pairs)


def _parsed_yaml(path: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise InputError(f"{path}: reading YAML needs the package PyYAML; install it, or write JSON") from error

    class Loader(yaml.SafeLoader):
        """Plain data only; keys given twice are refused."""

    def mapping(loader: Loader, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"{path}: '{key}' is given twice; give it once")
        loader.flatten_mapping(node)
        return {loader.construct_object(k, True): loader.construct_object(v, True) for k, v in node.value}

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    Loader.yaml_implicit_resolvers = {}
    for kind, pattern, firsts in _PLAIN_WORDS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"), firsts)
    try:
        return yaml.load(text, Loader)
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be understood"
        raise InputError(f"{path}: not a YAML file{where} ({what}); write lines such as {EXAMPLE}") from None
