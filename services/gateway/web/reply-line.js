// The line in which the words of a reply appear as they are spoken.

import { passages, shownAt } from "./captions.js";

export class ReplyLine {
  #line;
  #reply = null;
  #groups = [];
  #index = -1;
  #begun = -1;

  constructor(line) {
    this.#line = line;
  }

  /**
   * Draws the words of `reply` that have begun at `ms`; all of them when it is over. Cheap to call for each picture. Gives the newest
   * word when there is another one, else null.
   */
  show(reply, ms) {
    if (this.#reply !== reply) {
      this.#groups = reply ? passages(reply.words) : [];
      this.#reply = reply;
      this.#index = this.#begun = -1;
    }
    const shown = shownAt(this.#groups, reply?.over ? Infinity : (ms ?? -1));
    this.#line.hidden = !shown;
    if (!shown || (shown.index === this.#index && shown.begun === this.#begun)) return null;
    if (shown.index !== this.#index) {
      // All words of the passage have their place from the start, so that nothing moves while they appear.
      this.#line.replaceChildren(...shown.words.flatMap(({ text }) => [Object.assign(document.createElement("span"), { textContent: text }), " "]));
    }
    [...this.#line.children].forEach((word, index) => word.classList.toggle("begun", index < shown.begun));
    this.#line.classList.toggle("cut", reply.interrupted);
    this.#index = shown.index;
    this.#begun = shown.begun;
    return this.#line.children[shown.begun - 1];
  }
}
