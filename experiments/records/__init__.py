"""The only writer and reader of results: studies, runs, sweeps."""

from experiments.records.runs import RecordedTrials, Runs
from experiments.records.study import StudyHeader, StudyRecords
from experiments.records.sweep import SweepHeader, SweepRecords

__all__ = ["RecordedTrials", "Runs", "StudyHeader", "StudyRecords", "SweepHeader", "SweepRecords"]
