"""Studies side by side: which settings a report compares."""

from __future__ import annotations

import pytest

from experiments.records.headers import TableSettings, TrainingSettings, WeightSharingSettings
from experiments.reports.entries import (
    LOOKED_UP,
    MIXED_MUST_AGREE,
    MUST_AGREE,
    NETWORKS,
    OWN,
    WEIGHT_SHARING_MUST_AGREE,
)
from experiments.reports.sections.provenance import GENERAL

MULTI_TRIAL = {*TableSettings.__struct_fields__, *TrainingSettings.__struct_fields__}
SHARED = set(WeightSharingSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("compared", "fields"),
    [
        (MUST_AGREE, MULTI_TRIAL),
        (NETWORKS, set(TrainingSettings.__struct_fields__)),
        (WEIGHT_SHARING_MUST_AGREE, SHARED),
        (MIXED_MUST_AGREE, MULTI_TRIAL & SHARED),
        (LOOKED_UP, set(TableSettings.__struct_fields__) & SHARED),
        (OWN, MULTI_TRIAL | SHARED),
        (GENERAL, MULTI_TRIAL | SHARED),
    ],
)
def test_the_settings_that_are_compared_or_listed_exist(compared: tuple[str, ...], fields: set[str]) -> None:
    assert set(compared) <= fields
    assert len(set(compared)) == len(compared)
