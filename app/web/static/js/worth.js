// What a call means at the prevalence that the reader sets (Bayes); ends from the ends of sensitivity and specificity.
import { chance, one } from "./page.js";

/** Kept while this tab is open: it is of where the reader works, not of one exam. */
const KEPT = "covidct-prevalence";

function recalled() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null; // Storage is closed to this page.
  }
}

function keep(prevalence) {
  try {
    sessionStorage.setItem(KEPT, prevalence);
  } catch {
    // As above.
  }
}

function right(found, other, frequency) {
  const [value, low, high] = found.map((share, k) => {
    if (share === null || other[k] === null) return null;
    const called = share * frequency + (1 - other[k]) * (1 - frequency);
    return called > 0 ? chance((share * frequency) / called) : null;
  });
  if (value === null) return "–";
  return low === null || high === null ? value : `${value} (${low} – ${high})`;
}

export function tellWorth() {
  const [host, slider] = [one("worth"), one("prevalence")];
  if (!slider) return; // Nothing was measured, or no call was made.
  const sensitivity = JSON.parse(host.dataset.sensitivity);
  const specificity = JSON.parse(host.dataset.specificity);
  const tell = () => {
    const prevalence = Number(slider.value) / 100;
    one("prevalence-value").textContent = slider.value;
    one("positives").textContent = right(sensitivity, specificity, prevalence);
    one("negatives").textContent = right(specificity, sensitivity, 1 - prevalence);
  };
  slider.addEventListener("input", () => {
    keep(slider.value);
    tell();
  });
  slider.value = recalled() ?? slider.value;
  tell();
}
