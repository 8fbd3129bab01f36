"""Finding a user's App: "agent.py:app" or "package.module:app"."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from holdfast.core.errors import BadRequest
from holdfast.runtime.app import App


def load_app(target: str) -> App:
    """Import what `target` names.

    Raises:
        BadRequest: there is no such file, module or name, or it is no App. Errors of the module itself pass through.
    """
    place, _, name = target.rpartition(":")
    if not place:
        place, name = target, "app"
    module = _from_file(Path(place)) if place.endswith(".py") else _from_module(place)
    app = getattr(module, name, None)
    if not isinstance(app, App):
        raise BadRequest(f"{target}: there is no holdfast.App called {name!r} in it.")
    return app


def _from_file(path: Path) -> object:
    if not path.is_file():
        raise BadRequest(f"{path}: there is no such file.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # so that the file can import its neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _from_module(name: str) -> object:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise BadRequest(f"{name}: there is no such module.") from None
        raise
