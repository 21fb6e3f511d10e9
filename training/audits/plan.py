"""What is audited, and on which records."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.audits.changes import Bootstrap
from training.audits.kinds import Audit
from training.measuring.scoring import By
from training.metrics.evaluation import DRAWS
from training.records.catalog import Catalog, CatalogError, Record
from training.records.merging import whole_patients

_USUAL = Bootstrap(DRAWS, 0)


@dataclass(frozen=True)
class Plan:
    """What is audited, and how.

    Attributes:
        data: folders with a manifest or a catalog, or such files.
        where: conditions that records fulfil; see ``Catalog.where``.
        only: the audits to do; all where empty.
        by: slices or exams; None for both, as far as records are exams.
        sample: most records of each source and label; None for all.
        bootstrap: of the intervals; its seed also draws the sample, the noise and the new weights.
    """

    data: tuple[Path, ...]
    where: tuple[str, ...] = ()
    only: frozenset[Audit] = frozenset()
    by: By | None = None
    sample: int | None = None
    bootstrap: Bootstrap = _USUAL

    def __post_init__(self) -> None:
        """An audit counts slices or exams."""
        if self.by is By.PATIENT:
            raise ValueError("an audit goes by slice or by exam")

    def holds(self, audit: Audit) -> bool:
        """Whether the audit is to be done."""
        return not self.only or audit in self.only

    @property
    def levels(self) -> tuple[By, ...]:
        """What is counted, one after the other."""
        return (By.SLICE, By.EXAM) if self.by is None else (self.by,)

    def records(self) -> tuple[Record, ...]:
        """The records to audit, at most ``sample`` of each source and label, drawn without regard to anything else.

        Raises:
            CatalogError: the data cannot be used, or no record fulfils the conditions.
        """
        records = tuple(whole_patients(Catalog.read(*self.data, where=self.where).records))
        if not records:
            raise CatalogError("No record fulfils the conditions.")
        return records if self.sample is None else _drawn(records, self.sample, self.bootstrap.seed)


def _drawn(records: Sequence[Record], most: int, seed: int) -> tuple[Record, ...]:
    strata: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        strata[record.dataset, record.label].append(place)
    rng = np.random.default_rng(seed)
    kept = sorted(place for _, places in sorted(strata.items()) for place in rng.permutation(places)[:most])
    return tuple(records[place] for place in kept)
