"""Graphs of the CPU engine in int8, by NNCF's post-training quantization.

What to quantize is found by the graph's structure, for names come from the converter: the backbone is what the output
``features`` depends on, the head is the rest.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nncf
import numpy as np
import openvino

from app.ct.engines import OUTPUTS

Part = Literal["head", "sums", "conv1", "conv2"]
_CONVOLUTIONS = {"conv1": 1, "conv2": 10}
"""How many the first stages of ResNet50 have, in the order of the graph."""
_UNNAMED = ("Constant", "Parameter", "Result")


@dataclass(frozen=True)
class Variant:
    """One way to quantize.

    Attributes:
        name: in files and tables.
        keeps: parts that stay in floating point: the head, the sums of the residual blocks, whole stages.
    """

    name: str
    keeps: tuple[Part, ...] = ()


VARIANTS = (
    Variant("int8"),
    Variant("int8-but-head", keeps=("head",)),
    Variant("int8-but-head-conv1", keeps=("head", "conv1")),
    Variant("int8-but-head-sums-conv1", keeps=("head", "sums", "conv1")),
    Variant("int8-but-head-sums-conv2", keeps=("head", "sums", "conv1", "conv2")),
)
"""From the fastest on: where plain int8 is too coarse, the next keeps what loses most by rounding. The head divides by sums
of squares; the sums of the residual blocks add up the errors of all blocks; the first stages see the picture itself. With
conv3 kept too there is next to nothing left to win over bfloat16."""


def quantize(graph: Path, images: np.ndarray, variant: Variant, to: Path) -> None:
    """Write ``to`` (.xml, its .bin beside it): the network of ``graph`` with int8 weights and activations.

    Args:
        graph: in floating point.
        images: uint8 (slices, size, size), which the ranges of activations are measured on: of part train only.
        variant: what is quantized.
        to: where the quantized graph goes.
    """
    model = openvino.Core().read_model(graph)
    kept = nodes_kept(model, variant)
    with _told_on_stderr():
        quantized = nncf.quantize(
            model,
            nncf.Dataset([image[None, ..., None].astype(np.float32) for image in images]),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,  # activations behind a ReLU have no negative side to spend codes on
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False) if kept else None,
        )
    openvino.save_model(quantized, to, compress_to_fp16=True)


def nodes_kept(model: openvino.Model, variant: Variant) -> list[str]:
    """Names of the nodes that the variant leaves in floating point.

    Args:
        model: a network with the outputs of ``app.ct.engines.OUTPUTS``.
        variant: what is quantized.
    """
    backbone = _behind(model.output(OUTPUTS[-1]).get_node())
    ordered = [node for node in model.get_ordered_ops() if node.get_type_name() not in _UNNAMED]
    inside = [node for node in ordered if node.get_friendly_name() in backbone]
    convolutions = [n.get_friendly_name() for n in inside if n.get_type_name() == "Convolution"]
    found: dict[str, list[str]] = {
        "head": [n.get_friendly_name() for n in ordered if n.get_friendly_name() not in backbone],
        "sums": [n.get_friendly_name() for n in inside if _adds_two_maps(n)],
    }
    start = 0
    for stage, count in _CONVOLUTIONS.items():
        found[stage] = convolutions[start : start + count]
        start += count
    return [name for part in variant.keeps for name in found[part]]


def _behind(node: openvino.Node) -> frozenset[str]:
    """Names of everything a node's values come from, and its own."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.get_friendly_name() not in found:
            found.add(one.get_friendly_name())
            waiting += _sources(one)
    return frozenset(found)


def _sources(node: openvino.Node) -> Sequence[openvino.Node]:
    return [value.get_source_output().get_node() for value in node.inputs()]


def _adds_two_maps(node: openvino.Node) -> bool:
    """Whether the node adds two maps, not a bias to one; a bias may be stored as float16 and converted."""
    return node.get_type_name() == "Add" and not any(_is_constant(source) for source in _sources(node))


def _is_constant(node: openvino.Node) -> bool:
    kind = node.get_type_name()
    return kind == "Constant" or (kind == "Convert" and _is_constant(_sources(node)[0]))


@contextlib.contextmanager
def _told_on_stderr() -> Iterator[None]:
    """NNCF draws its progress on stdout, where only results belong, and lists every node it leaves alone."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr):
        yield
