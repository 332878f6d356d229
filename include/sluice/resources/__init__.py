"""Everything that a pipeline made: what there is, how large it is, and its deletion."""

from sluice.resources.delete import delete_pipeline
from sluice.resources.find import Fate, Resource, list_resources

__all__ = ["Fate", "Resource", "delete_pipeline", "list_resources"]
