"""The sections of a report: one file per subject with its numbers, words and figures."""

from experiments.reports.section import Section
from experiments.reports.sections import (
    checklist,
    curves,
    derived,
    final,
    found,
    notes,
    one_shot,
    overhead,
    pairwise,
    provenance,
    published,
    ranks,
    sensitivity,
    speed,
    weight_sharing,
)

SECTIONS: tuple[Section, ...] = (
    notes.section,
    final.section,
    curves.section,
    published.section,
    pairwise.section,
    ranks.section,
    speed.section,
    found.section,
    weight_sharing.section,
    one_shot.section,
    derived.section,
    sensitivity.section,
    overhead.section,
    provenance.section,
    checklist.section,
)
"""The sections, in the order of the page."""
