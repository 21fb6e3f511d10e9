// What the scripts say, in the reader's language: a page that is not English brings the translations along.

const host = document.getElementById("words");
const known = host ? JSON.parse(host.textContent) : {};
const { lang } = document.documentElement;

export const isEnglish = lang === "en";

/** How dates are written: as the browser does where it speaks the page's language. */
export const locale = navigator.language.split("-")[0] === lang.split("-")[0] ? navigator.language : lang;

function filled(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A sentence, or a part of one: ``template`` is written out where this is called, so that catalogs know it. */
export function sentence(template, values = {}) {
  return filled(known[template]?.[0] ?? template, values);
}

/** The same of ``values.count`` things: ``one`` of 1, ``many`` of any other number. */
export function counted(one, many, values) {
  const forms = known[one] ?? [one, many];
  return filled(forms[Math.min(forms.length - 1, values.count === 1 ? 0 : 1)], values);
}
