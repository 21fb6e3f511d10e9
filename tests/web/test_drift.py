"""What operators compare with training."""

import pytest
from prometheus_client import CollectorRegistry

from app.ct.manifest import Measured, ScoreReference, read_manifest
from app.web.drift import Drift, positive_share
from tests.fakes import FakeClassifier, a_manifest
from tests.models import the_served_model
from tests.web.conftest import Serve, Upload

pytestmark = pytest.mark.anyio


def some_measured(**values: float | None) -> list[Measured]:
    return [Measured(data="d", by="slice", metric=name, value=v, n=100, groups=5) for name, v in values.items()]


async def test_scored_slices_are_counted_by_distance_and_probability(serve: Serve, upload: Upload) -> None:
    async with serve(load=lambda: FakeClassifier(unlike=range(3, 5), spread=0, peak=3)) as client:
        report = (await client.post("/api/v1/exams", files=upload)).json()

        text = (await client.get("/metrics")).text

    scored = [one["index"] for one in report["slices"] if one["scored"]]
    unlike = len({3, 4} & set(scored))
    assert unlike
    assert f"covidct_slices_unlike_training_total {unlike}.0" in text
    assert f"covidct_slice_distance_squared_sum {unlike * 1.5**2 + (len(scored) - unlike) * 0.5**2}" in text
    assert f"covidct_slices_positive_total {len(scored)}.0" in text
    assert 'covidct_slice_probability_bucket{le="0.9"} 0.0' in text
    assert f"covidct_slice_probability_count {len(scored)}.0" in text


async def test_the_model_says_what_to_compare_with(serve: Serve) -> None:
    manifest = a_manifest(
        distance_limit=2.0, measured=tuple(some_measured(accuracy=0.625, sensitivity=0.5, specificity=0.75))
    )
    async with serve(load=lambda: FakeClassifier(manifest=manifest)) as client:
        text = (await client.get("/metrics")).text

    assert 'covidct_reference_slice_distance{kind="whole"} 0.5' in text
    assert 'covidct_reference_slices_positive{data="d"} 0.375' in text


async def test_the_model_says_how_its_scores_were_spread(serve: Serve) -> None:
    at_most = (0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.625, 0.75, 0.875, 1.0)
    scores = ScoreReference(data="validation slices", slices=8, at_most=at_most)
    manifest = a_manifest().model_copy(update={"scores": scores})
    async with serve(load=lambda: FakeClassifier(manifest=manifest)) as client:
        text = (await client.get("/metrics")).text

    told = [line for line in text.splitlines() if line.startswith("covidct_reference_slice_probability{")]
    buckets = {line.partition('le="')[2].partition('"')[0] for line in told}
    assert [float(line.split()[-1]) for line in told] == list(at_most)
    assert all(f'covidct_slice_probability_bucket{{le="{bucket}"}}' in text for bucket in buckets)
    assert len(buckets) == 10


@pytest.mark.parametrize(
    "figures",
    [{}, {"accuracy": 0.8, "sensitivity": None, "specificity": 0.8}, dict.fromkeys(("accuracy", "sensitivity"), 0.8)],
)
def test_figures_that_do_not_tell_the_share_give_none(figures: dict[str, float | None]) -> None:
    assert positive_share(some_measured(**figures)) is None


def test_the_served_model_has_a_reference_of_its_validation() -> None:
    manifest = read_manifest(the_served_model())
    validation = [one for one in manifest.measured if one.data == "validation-slices (part=validation)"]

    # 253 of 359 slices of COVID-19 and 32 of 343 others.
    assert positive_share(validation) == pytest.approx(285 / 702, abs=1e-9)
    assert manifest.scores is not None
    assert manifest.scores.slices == 702
    # By the network as it was trained, not as it is stored and served.
    assert 1 - manifest.scores.at_most[4] == pytest.approx(285 / 702, abs=0.01)


def test_there_is_no_reference_without_a_model() -> None:
    assert list(Drift(CollectorRegistry(), lambda: None).collect()) == []
