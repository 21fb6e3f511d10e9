// What every page script needs.

export const one = (id) => document.getElementById(id);

/** Show what needs JavaScript, hide what replaces it; there was room for it all along. */
export function enliven() {
  document.documentElement.classList.add("js");
}

export const percent = (value) => `${Math.round(value * 100)} %`;

export function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
