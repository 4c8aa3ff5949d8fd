// @ts-check
/** Says how the page hears of news: live, polling, or not at all for now. */
import { h } from "./dom.js";
import { text } from "./strings.js";

/** A stream that is back within this time was never worth a word. */
const GRACE_MS = 2_000;

export class StatusLine {
  element = h("p", { class: "status", role: "status" });
  #shown = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./hub-client.js").HubClient} client
   * @param {string} loginUrl
   */
  constructor(client, loginUrl) {
    this.client = client;
    this.loginUrl = loginUrl;
    this.#show();
  }

  update() {
    const { state } = this.client.link;
    const isPassing = state === "reconnecting" || state === "connecting";
    if (!isPassing) this.#show();
    else this.#timer ??= setTimeout(() => this.#show(), GRACE_MS);
  }

  disconnect() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { state, pollSeconds } = this.client.link;
    const words = {
      connecting: text("connecting"),
      live: text("live"),
      polling: text("polling", { seconds: pollSeconds }),
      reconnecting: text("reconnecting"),
      "signed-out": text("signed_out"),
    }[state];
    // A status that is written again is read out again.
    if (words === this.#shown) return;
    this.#shown = words;
    this.element.dataset.state = state;
    this.element.replaceChildren(state === "signed-out" ? this.#loginLink(words) : words);
  }

  /** @param {string} words */
  #loginLink(words) {
    const here = encodeURIComponent(location.pathname + location.search);
    return h("a", { href: `${this.loginUrl}?next=${here}` }, words);
  }
}
