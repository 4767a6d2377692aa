"""Public names of a package that are found when they are first asked for, so that importing it stays fast."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType


def find_on_demand(package: str, places: Mapping[str, str]) -> None:
    """Let `package` find each name of `places` in the module that stands there, once it is asked for.

    A function may be called like the module that it is in. Importing that module would put it in the place of the
    function, so the package keeps no module under a name of `places`, in whatever order things are imported.
    """

    class OnDemand(ModuleType):
        def __getattr__(self, name: str) -> object:
            if name not in places:
                raise AttributeError(f"module '{package}' has no attribute '{name}'")
            found: object = getattr(import_module(places[name]), name)
            setattr(self, name, found)
            return found

        def __setattr__(self, name: str, value: object) -> None:
            if name not in places or not isinstance(value, ModuleType):
                super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*super().__dir__(), *places})

    sys.modules[package].__class__ = OnDemand
