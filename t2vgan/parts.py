"""Parts by their names: options from a YAML checked against what a constructor takes, and the part built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from t2vgan.config import ConfigError, nearest


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PLAIN = {  # by the annotations of options: what passes, and what it is called
    "int": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "float": (is_number, "a number"),
    "int | float": (is_number, "a number"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "str": (lambda value: isinstance(value, str), "a word"),
}


def build(kind: str, choices: Mapping[str, Callable[..., Any]], node: Any, **given: Any) -> Any:
    """The part that `node` names, from its options and from those of `given` that its constructor takes.

    Raises ConfigError naming the choices, or the option that the part does not have.
    """
    name, options = checked(kind, choices, node, given)
    taken = inspect.signature(choices[name]).parameters
    try:
        return choices[name](**{k: v for k, v in given.items() if k in taken}, **options)
    except (TypeError, RuntimeError, ArithmeticError) as error:
        raise ConfigError(f"{kind}: '{name}' cannot be built from {options}: {error}") from error


def checked(
    kind: str, choices: Mapping[str, Callable[..., Any]], node: Any, given: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Name and options of the part that `node` names, which are its own and of the right kind; nothing is built."""
    if not isinstance(node, Mapping):
        raise ConfigError(f"{kind} is {node!r}: it is a name and options, such as {{name: {next(iter(choices))}}}")
    options = dict(node)
    name = options.pop("name", None)
    if name not in choices:
        raise ConfigError(
            f"{kind}: no part is named '{name}'{nearest(str(name), choices)}; choose one of: {', '.join(choices)}"
        )
    taken = inspect.signature(choices[name]).parameters
    known = [p for p in taken if p not in given]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"{kind}: '{name}' has no option '{option}'{nearest(option, known)}; "
                f"it has: {', '.join(known) or 'none'}"
            )
        kind_of_value = PLAIN.get(str(taken[option].annotation))
        if kind_of_value is not None and not kind_of_value[0](options[option]):
            raise ConfigError(f"{kind}: '{name}': {option} is {options[option]!r}: it is {kind_of_value[1]}")
    return str(name), options
