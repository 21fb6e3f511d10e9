// Windows of Hounsfield units: presets, and values to gray.

/** Center and width, by key; as OHIF has them, lung on 2. */
export const PRESETS = {
  1: { center: 40, width: 400 },
  2: { center: -600, width: 1500 },
  3: { center: 90, width: 150 },
  4: { center: 480, width: 2500 },
  5: { center: 40, width: 80 },
};

/** What the pictures of the service show. */
export const LUNG = PRESETS[2];

export const isLung = ({ center, width }) => center === LUNG.center && width === LUNG.width;

const within = (value, low, high) => Math.min(high, Math.max(low, Math.round(value)));

export const windowOf = (center, width) => ({ center: within(center, -1024, 3071), width: within(width, 1, 4096) });

/** Gray of 8 bits in the lung window back to Hounsfield units; what lay outside of it is lost. */
export function unitsOf(gray) {
  const units = new Int16Array(gray.length);
  const low = LUNG.center - LUNG.width / 2;
  for (let k = 0; k < gray.length; k += 1) units[k] = Math.round(low + (gray[k] / 255) * LUNG.width);
  return units;
}

/** Hounsfield units in a window, as pixels; ``pixels`` is a Uint8ClampedArray of four bytes each. */
export function intoPixels(units, { center, width }, pixels) {
  const low = center - width / 2;
  const scale = 255 / width;
  for (let k = 0, at = 0; k < units.length; k += 1, at += 4) {
    const gray = (units[k] - low) * scale;
    pixels[at] = gray;
    pixels[at + 1] = gray;
    pixels[at + 2] = gray;
    pixels[at + 3] = 255;
  }
}
