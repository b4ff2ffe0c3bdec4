"""The live views of Jupyter: traits and plain ES modules; nothing here is loaded until a view is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smtplab.widgets.scene_view import SceneView, linked

__all__ = ["SceneView", "linked"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from smtplab.widgets import scene_view

        return getattr(scene_view, name)
    raise AttributeError(f"smtplab.widgets has no {name}: there are {', '.join(__all__)}")
