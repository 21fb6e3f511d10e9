"""The diagnosis itself: reading, slice selection, preprocessing, network, heatmap and verdict. Knows no HTTP and no store."""
