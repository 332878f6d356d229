from sluice.config.load import list_pipelines, load_pipeline
from sluice.config.pipeline import (
    AuditConfig,
    BronzeConfig,
    EventTime,
    PipelineConfig,
    SilverConfig,
    SourceConfig,
    Window,
)

__all__ = [
    "AuditConfig",
    "BronzeConfig",
    "EventTime",
    "PipelineConfig",
    "SilverConfig",
    "SourceConfig",
    "Window",
    "list_pipelines",
    "load_pipeline",
]
