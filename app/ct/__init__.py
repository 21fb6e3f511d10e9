"""The diagnosis itself: reading, slice selection, preprocessing, network, heatmap and verdict. Knows no HTTP and no store."""

import sys

# On import OpenVINO tells its maker that it is used: over the network, from a process of its own, with an id that it
# keeps in the home folder. It does without where the package that does so cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
