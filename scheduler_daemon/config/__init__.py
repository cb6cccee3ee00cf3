"""The configuration: one description of every option."""

from .load import load_config
from .sections import Config

__all__ = ["Config", "load_config"]
