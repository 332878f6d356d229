"""Sample data: hours of orders that are the same on every machine."""

from sluice.sample.land import LandedHour, land_next_hour

__all__ = ["LandedHour", "land_next_hour"]
