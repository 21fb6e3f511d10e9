// Pictures that could not be had: tried again when the service is back, or given up where the exam is gone.
import { ask, onReturn } from "../service.js";

const MOST_TRIES = 3;
const AGAIN_MS = 1500;

export class Losses {
  /** ``exam``: its address; ``on.gone()``: the exam is no longer kept; ``on.lost(isLost)``: pictures stay away though it is. */
  constructor(exam, pictures, on) {
    this.exam = exam;
    this.pictures = pictures;
    this.on = on;
    this.tries = 0;
    this.isAsking = false;
    this.forget = onReturn(() => this.startAgain());
  }

  startAgain() {
    this.tries = 0;
    this.on.lost(false);
    this.pictures.tryAgain();
    this.look();
  }

  /** Whether the exam is still kept. */
  async look() {
    const answer = await ask(this.exam, { method: "HEAD", cache: "no-store" });
    if (answer?.status === 404 || answer?.status === 410) {
      this.forget();
      this.on.gone();
    }
    return Boolean(answer?.ok);
  }

  /** Note that a picture did not come. */
  async note() {
    if (this.isAsking) return;
    this.isAsking = true;
    const isKept = await this.look();
    this.isAsking = false;
    if (!isKept) return;
    this.tries += 1;
    if (this.tries > MOST_TRIES) this.on.lost(true);
    else setTimeout(() => this.pictures.tryAgain(), AGAIN_MS);
  }
}
