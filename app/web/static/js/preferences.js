// The theme changes where the reader is: nothing that was chosen, sent or looked at is lost. A language is another page.
import { one } from "./page.js";
import { ask } from "./service.js";

const form = one("preferences");
const button = form.elements.namedItem("theme");
const OTHER = { dark: "light", light: "dark" };

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').content = theme;
  button.value = OTHER[theme];
  button.textContent = button.dataset[button.value];
}

form.addEventListener("submit", (event) => {
  if (event.submitter !== button) return;
  event.preventDefault();
  const body = new URLSearchParams({ theme: button.value });
  showTheme(button.value);
  // Kept by a cookie, which comes with the answer; where that leads is not asked for.
  ask(form.action, { method: "POST", body, redirect: "manual", keepalive: true });
});

/** Have another language, too, show this place: ``query`` of the page. */
export function leadBackTo(query) {
  const action = new URL(form.action);
  action.searchParams.set("back", `${window.location.pathname}?${query}`);
  form.action = action;
}
