"""The report of a run: one page of HTML that holds everything it shows, and its charts as pictures."""

from multimodel.report.write import write_pictures, write_report

__all__ = ["write_pictures", "write_report"]
