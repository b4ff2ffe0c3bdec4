"""All scenes, in the order in which they are recorded and listed."""

from __future__ import annotations

from . import scenes_basic, scenes_crowd, scenes_encodings, scenes_network, scenes_secure
from .lab import SCENES

__all__ = ["SCENES", "scenes_basic", "scenes_crowd", "scenes_encodings", "scenes_network", "scenes_secure"]
