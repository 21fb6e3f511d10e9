// What every page script needs.

export const one = (id) => document.getElementById(id);

/** Show what needs JavaScript, hide what replaces it; there was room for it all along. */
export function enliven() {
  document.documentElement.classList.add("js");
}

/** A share in whole percents, as the service writes it. */
export const percent = (value) => `${Math.floor(value * 100 + 0.5)} %`;

/** A probability, as the service writes it: never certain, and told from a threshold nearby. */
export function chance(value) {
  const tenths = Math.floor(value * 1000 + 0.5);
  if (tenths === 0) return "< 0.1 %";
  return tenths === 1000 ? "> 99.9 %" : `${(tenths / 10).toFixed(1)} %`;
}

export function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
