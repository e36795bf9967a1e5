"""Reports: one page from the records of studies and sweeps."""

from experiments.reports.report import Report, write_report

__all__ = ["Report", "write_report"]
