"""Which precision the CPU engine runs in."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.ct.precision import EngineSpec, PrecisionSpec

F32, BF16, INT8 = (PrecisionSpec(file=f"{name}.xml", tolerance=0.01) for name in ("f32", "bf16", "int8"))


def test_the_fastest_allowed_precision_of_the_processor_runs() -> None:
    spec = EngineSpec.of({"int8": INT8, "bf16": BF16, "f32": F32})

    runs = [spec.runs_in(native) for native in ({"f32", "bf16", "int8"}, {"f32", "bf16"}, {"f32"})]

    assert runs == ["int8", "bf16", "f32"]


def test_a_precision_that_is_not_allowed_never_runs() -> None:
    assert EngineSpec.of({"f32": F32}).runs_in({"f32", "bf16", "int8"}) == "f32"


def test_a_model_released_before_precisions_were_measured_runs_in_its_own() -> None:
    spec = EngineSpec.model_validate({"file": "openvino.xml", "precision": "bf16", "tolerance": 0.03})

    assert [spec.runs_in(native) for native in ({"f32", "bf16"}, {"f32"})] == ["bf16", "bf16"]
    assert spec.choices["bf16"].tolerance == 0.03


@pytest.mark.parametrize("change", [{"precision": "f32"}, {"file": "other.xml"}, {"tolerance": 0.1}])
def test_a_manifest_that_serves_another_precision_than_the_first_allowed_is_not_valid(
    change: dict[str, object],
) -> None:
    spec = EngineSpec.of({"int8": INT8, "f32": F32})

    with pytest.raises(ValidationError, match="not the first allowed"):
        EngineSpec.model_validate(spec.model_dump() | change)


@pytest.mark.parametrize(("flags", "is_native"), [("fpu avx2 avx512_vnni", True), ("fpu avx2", False), (None, False)])
def test_int8_is_native_only_where_its_instructions_are_known_to_be_there(
    flags: str | None, is_native: bool, tmp_path: Path
) -> None:
    engine = pytest.importorskip("app.ct.engines.openvino", exc_type=ImportError)
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")

    native = engine.native_precisions(tmp_path / "cpuinfo")

    assert ("int8" in native) == is_native
    assert "f32" in native
