// What a call means at the prevalence that the reader sets (Bayes).
import { one, percent } from "./page.js";

const share = (part, rest) => (part + rest > 0 ? percent(part / (part + rest)) : "–");

export function tellWorth() {
  const host = one("worth");
  if (!host) return;
  const sensitivity = Number(host.dataset.sensitivity);
  const specificity = Number(host.dataset.specificity);
  const slider = one("prevalence");
  const tell = () => {
    const prevalence = Number(slider.value) / 100;
    const right = share(sensitivity * prevalence, (1 - specificity) * (1 - prevalence));
    const clear = share(specificity * (1 - prevalence), (1 - sensitivity) * prevalence);
    one("prevalence-value").textContent = slider.value;
    one("predicted").textContent = `Then ${right} of the positive calls would be right, and ${clear} of the negative ones.`;
  };
  slider.addEventListener("input", tell);
  tell();
}
