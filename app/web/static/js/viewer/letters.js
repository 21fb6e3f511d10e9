// Letters, digits and signs as keys: everywhere but where one writes, unless they were turned off.

const LETTERS = "covidct-letters";
const WRITTEN_IN = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select";

export function areKeys() {
  try {
    return localStorage.getItem(LETTERS) !== "off";
  } catch {
    return true; // Storage is closed to this page.
  }
}

/** ``what``: on or off. */
export function chooseLetters(what) {
  try {
    localStorage.setItem(LETTERS, what);
  } catch {
    // As chosen until the page is left.
  }
}

/** Whether a key is typed into something, or is one of the browser's. */
export const isForText = ({ target, ctrlKey, metaKey, altKey }) => target.matches(WRITTEN_IN) || ctrlKey || metaKey || altKey;
