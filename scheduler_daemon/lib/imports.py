"""Importing a library without the optional ones that it would load with it."""

import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType


def import_without(name: str, companions: Iterable[str]) -> ModuleType:
    """
    Return the module *name*, loaded as if *companions* were not installed; they can be imported later all the same.

    What is loaded already, the module or a companion, stays as it is.
    """
    if name in sys.modules:
        return sys.modules[name]
    hidden = [item for item in companions if item not in sys.modules]
    for item in hidden:
        sys.modules[item] = None  # type: ignore[assignment]
    try:
        return import_module(name)
    finally:
        for item in hidden:
            sys.modules.pop(item, None)
