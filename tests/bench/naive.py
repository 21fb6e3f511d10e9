"""What a user would write around the same network and weights: one file, no tricks and no traps. A peer, never served.

It reads the upload, decodes with pydicom and Pillow, resizes, calls ``model.predict()``, and makes a Grad-CAM of each slice with
a gradient tape, as Keras's own guide does. ``wanted`` names the slices to score, so that it scores those that the service does.
"""

import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import pydicom
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Form, UploadFile
from PIL import Image
from pydicom.pixels.processing import apply_rescale

from app.ct.classifier import WEIGHTS_FILE
from app.ct.manifest import read_manifest
from app.ct.network import build_network
from app.ct.weights import load_weights

LOWEST_HU, HIGHEST_HU = -1350, 150


def load_model(folder: Path) -> keras.Model:
    """The served network."""
    model = build_network(read_manifest(folder).network)
    load_weights(model, folder / WEIGHTS_FILE)
    return model


def read_number(content: bytes, place: int) -> tuple[int, bytes | pydicom.FileDataset]:
    """A slice's instance number, or its place among pictures, and what to decode."""
    if content[128:132] != b"DICM":
        return place, content
    data_set = pydicom.dcmread(BytesIO(content))
    return int(data_set.InstanceNumber), data_set


def read_pixels(found: bytes | pydicom.FileDataset, size: int) -> np.ndarray:
    """float32 (size, size), 0..255 in the lung window."""
    if isinstance(found, bytes):
        picture = Image.open(BytesIO(found)).convert("L")
    else:
        hu = apply_rescale(found.pixel_array, found)
        gray = (np.clip(hu, LOWEST_HU, HIGHEST_HU) - LOWEST_HU) / (HIGHEST_HU - LOWEST_HU) * 255
        picture = Image.fromarray(gray.astype(np.uint8))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


def grad_cam(model: keras.Model, picture: np.ndarray) -> np.ndarray:
    """float32 (rows, columns), 0..1, of the last convolutional stage."""
    with tf.GradientTape() as tape:
        features, logit = model(picture[None, ..., None], training=False)
    gradients = tape.gradient(logit, features)
    weights = tf.reduce_mean(gradients, axis=(0, 1, 2))
    heat = tf.nn.relu(tf.reduce_sum(features[0] * weights, axis=-1))
    return np.asarray(heat / (tf.reduce_max(heat) + 1e-8))


def last_stage(model: keras.Model) -> str:
    """Name of the layer that ends the last stage of the backbone."""
    return str(
        [layer.name for layer in model.layers if layer.name.startswith("conv") and layer.name.endswith("_out")][-1]
    )


def create_app(folder: Path) -> FastAPI:
    """The whole service."""
    app, model = FastAPI(), load_model(folder)
    size = model.input_shape[1]
    for_maps = keras.Model(model.input, [model.get_layer(last_stage(model)).output, model.output["logit"]])

    @app.get("/livez")
    def livez() -> str:
        return "alive"

    @app.post("/predict")
    def predict(files: list[UploadFile], wanted: Annotated[str, Form()]) -> dict[str, object]:
        numbers = {int(number) for number in wanted.split(",")}
        found = dict(read_number(file.file.read(), place) for place, file in enumerate(files))
        scored = sorted(numbers & found.keys())
        pictures = np.stack([read_pixels(found[number], size) for number in scored])
        logits = model.predict(pictures[..., None], verbose=0)["logit"]
        maps = [grad_cam(for_maps, picture) for picture in pictures]
        slices = [
            {"number": number, "probability": 1 / (1 + float(np.exp(-logit))), "heatmap": heat.round(3).tolist()}
            for number, logit, heat in zip(scored, logits, maps, strict=True)
        ]
        return {"probability": float(np.mean([s["probability"] for s in slices])), "slices": slices}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning")
