from .budgets import Budget as Budget
from .headers import StudyHeader as StudyHeader, SweepHeader as SweepHeader
from .runs import RecordedTrials as RecordedTrials, Runs as Runs
from .study import StudyRecords as StudyRecords
from .sweep import SweepRecords as SweepRecords
