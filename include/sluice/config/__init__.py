from sluice.config.current import CurrentConfig
from sluice.config.expectation import Expectation
from sluice.config.load import list_pipelines, load_pipeline
from sluice.config.pipeline import (
    AuditConfig,
    BronzeConfig,
    PipelineConfig,
    SourceConfig,
)
from sluice.config.silver import EventTime, SilverConfig, Window

__all__ = [
    "AuditConfig",
    "BronzeConfig",
    "CurrentConfig",
    "EventTime",
    "Expectation",
    "PipelineConfig",
    "SilverConfig",
    "SourceConfig",
    "Window",
    "list_pipelines",
    "load_pipeline",
]
