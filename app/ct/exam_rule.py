"""How the slices of an exam become one probability: a threshold with its band, and the rules that pool slice logits.

A rule first pools the logits of the scored slices into one, then calibrates it as ``slope * x + intercept``. In a manifest
``name`` tells which rule it is; ``covidct-train exam-rules`` compares them. Rules other than ``NoisyOr`` of all slices
answer alike whether 16 slices of an exam are scored or all of them.
"""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from app.ct.part import Part
from app.ct.words import Sentence, sentence

_TINY = 1e-12
"""Keeps the logit of a mean probability finite."""


class Decision(Part):
    """A threshold and the band around it in which the verdict is inconclusive (all probabilities)."""

    threshold: float = Field(ge=0, le=1)
    band: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.band
        if not 0 <= low <= self.threshold <= high <= 1:
            raise ValueError("0 <= low <= threshold <= high <= 1 does not hold")
        return self


class _Rule(Part):
    """What all rules have: calibration of the pooled logit, threshold and band, and what they rest on, in words."""

    slope: float = 1.0
    intercept: float = 0.0
    decision: Decision
    rests_on: str


class TopShareMean(_Rule):
    """The mean logit of the strongest slices.

    Attributes:
        top_share: share of the scored slices that counts, rounded; at least one slice.
        least_slices: at least so many count, where there are so many; left out of the manifest where it is 1.
    """

    name: Literal["top-share-mean"] = "top-share-mean"
    top_share: float = Field(gt=0, le=1)
    least_slices: int = Field(default=1, ge=1, exclude_if=lambda count: count == 1)

    def pooled(self, logits: np.ndarray) -> float:
        """Float (slices,), at least one -> logit."""
        counted = max(min(self.least_slices, len(logits)), round(self.top_share * len(logits)))
        return float(np.sort(logits)[::-1][:counted].mean())

    @property
    def in_words(self) -> Sentence:
        """For the reader of a report, as a whole sentence."""
        share = 100 * self.top_share
        if self.least_slices > 1:
            return sentence(
                "The mean of the strongest {share:g} % of the scored slices, at least {least} of them.",
                share=share,
                least=self.least_slices,
            )
        return sentence("The mean of the strongest {share:g} % of the scored slices.", share=share)


class MeanProbability(_Rule):
    """The logit of the mean probability: a strong slice counts up to 1 and no more."""

    name: Literal["mean-probability"] = "mean-probability"

    def pooled(self, logits: np.ndarray) -> float:
        """Float (slices,), at least one -> logit."""
        mean = float(np.clip((1 / (1 + np.exp(-logits))).mean(), _TINY, 1 - _TINY))
        return float(np.log(mean / (1 - mean)))

    @property
    def in_words(self) -> Sentence:
        """For the reader of a report, as a whole sentence."""
        return sentence("The mean probability of the scored slices.")


class NoisyOr(_Rule):
    """Whether any slice shows the disease, as if each were asked by itself: ``1 - product(1 - p)``.

    Attributes:
        of_slices: the answer of so many average slices; None multiplies all that were scored, so that more slices alone
            raise the probability.
    """

    name: Literal["noisy-or"] = "noisy-or"
    of_slices: float | None = Field(default=None, gt=0)

    def pooled(self, logits: np.ndarray) -> float:
        """Float (slices,), at least one -> logit."""
        count = len(logits) if self.of_slices is None else self.of_slices
        # -log(1 - p) of each slice; their sum is that of the exam.
        doubt = count * max(float(np.logaddexp(0.0, logits).mean()), _TINY)
        return float(doubt + np.log(-np.expm1(-doubt)))

    @property
    def in_words(self) -> Sentence:
        """For the reader of a report, as a whole sentence."""
        if self.of_slices is None:
            return sentence("The probability that any scored slice shows the disease, as if slices were independent.")
        return sentence(
            "The probability that any of {count:g} average slices shows the disease, as if slices were independent.",
            count=self.of_slices,
        )


class LogMeanExp(_Rule):
    """A mean that leans to the strongest slices: ``log(mean(exp(k x))) / k``; the mean for small k, the maximum for large.

    Attributes:
        sharpness: k.
    """

    name: Literal["log-mean-exp"] = "log-mean-exp"
    sharpness: float = Field(gt=0)

    def pooled(self, logits: np.ndarray) -> float:
        """Float (slices,), at least one -> logit."""
        total = float(np.logaddexp.reduce(self.sharpness * logits))
        return (total - float(np.log(len(logits)))) / self.sharpness

    @property
    def in_words(self) -> Sentence:
        """For the reader of a report, as a whole sentence."""
        return sentence(
            "A mean of the scored slices in which strong slices count more (log-mean-exp, sharpness {sharpness:g}).",
            sharpness=self.sharpness,
        )


class Quantile(_Rule):
    """The logit that a share of the slices stays below; the largest at 1.

    Attributes:
        at: 0..1.
    """

    name: Literal["quantile"] = "quantile"
    at: float = Field(ge=0, le=1)

    def pooled(self, logits: np.ndarray) -> float:
        """Float (slices,), at least one -> logit."""
        return float(np.quantile(logits, self.at))

    @property
    def in_words(self) -> Sentence:
        """For the reader of a report, as a whole sentence."""
        if self.at < 1:
            return sentence("What {share:g} % of the scored slices stay below.", share=100 * self.at)
        return sentence("The strongest slice.")


ExamRule = Annotated[TopShareMean | MeanProbability | NoisyOr | LogMeanExp | Quantile, Field(discriminator="name")]
"""Any rule; in a manifest ``name`` tells which."""
