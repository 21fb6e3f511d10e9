// One slice with its map in panes: for the viewer of one exam, and for two exams side by side.

export const STILL = { zoom: 1, x: 0, y: 0 };
export const MAP = { shown: true, opacity: 0.65, threshold: 0 };

/** Whether the map of a slice is drawn. */
export const drawsMap = (slice, maps, map) => map.shown && Boolean(maps?.has(slice.index));

/**
 * ``drawable``: { picture, carriesNotice }, or null where it is not here; ``maps``: of the exam, or null; ``map``: { shown,
 * opacity, threshold }; ``view``: { zoom, x, y, inverted }.
 */
export function drawSlice(panes, slice, { drawable, maps, map, view }) {
  const { picture, carriesNotice } = drawable ?? {};
  const spacing = slice.pixel_spacing_mm;
  const [width, height] = picture ? [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height] : [1, 1];
  const shape = { width, height, tall: spacing ? spacing[0] / spacing[1] : 1 };
  const overlay = drawsMap(slice, maps, map)
    ? { canvas: maps.draw(slice.index, map.opacity, map.threshold), box: maps.box(slice.index) }
    : null;
  for (const pane of panes) {
    if (!pane.canvas.hidden) pane.draw({ picture, carriesNotice, shape, view, overlay, spacing: spacing?.[1] ?? null });
  }
}
