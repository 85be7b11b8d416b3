"""What a measurement that has no results raises."""

from __future__ import annotations


class MeasurementFailedError(Exception):
    """A measurement has ended with an error or not in time, or its servers do not start."""
