// @ts-check
/** Short words in a corner of the page: what has arrived, what can be undone, what went wrong. */
import { h, icon } from "./dom.js";
import { safeHref } from "./policy.js";
import { text } from "./strings.js";

const SHOWN_MS = 7_000;
/** Nobody is hurried who points at a toast or has the focus in it. */
const HELD_MS = 2_000;
/** More arrivals than this at once are told as a number. */
const MAX_ARRIVALS = 3;
/** What a small screen has room for; the oldest goes first. */
const MAX_TOASTS = 4;

/** @typedef {{element: HTMLElement, onClose: () => void}} Toast */

export class Toasts {
  #stack = h("div", { class: "toasts", popover: "manual", role: "region", "aria-label": text("notifications") });
  // Always there, since a region that appears together with its text is not read out.
  #spoken = h("p", { class: "visually-hidden", role: "status" });
  elements = [this.#stack, this.#spoken];
  /** @type {Map<string, Toast>} */
  #toasts = new Map();
  /** @type {Set<string>} */
  #arrivals = new Set();
  #arrivedCount = 0;

  /**
   * @param {import("./hub-client.js").HubClient} client
   * @param {() => void} takeFocus called when a toast goes that had the focus
   */
  constructor(client, takeFocus) {
    this.client = client;
    this.takeFocus = takeFocus;
  }

  /** @param {import("./fold.js").Notification} item */
  arrived(item) {
    // A hidden tab would greet its user with a heap of old toasts.
    if (document.hidden) return;
    this.#arrivedCount = this.#arrivals.size === 0 ? 1 : this.#arrivedCount + 1;
    if (this.#arrivedCount > MAX_ARRIVALS) {
      for (const key of [...this.#arrivals]) this.#close(key);
      this.#addArrival("many", "bell", text("many_arrived", { count: this.#arrivedCount }));
    } else {
      const href = safeHref(item.url);
      const title = h("bdi", {}, item.title);
      this.#addArrival(`arrived:${item.id}`, item.level, href ? h("a", { href }, title) : title);
    }
  }

  /** @param {import("./fold.js").Notification} item hidden already, deleted when its toast goes */
  discarded(item) {
    const key = `discarded:${item.id}`;
    const undo = () => {
      this.client.undoDiscard(item.id);
      this.#close(key);
    };
    const button = h("button", { type: "button", class: "toast-action", click: undo }, text("undo"));
    const onClose = () => void this.client.discardNow(item.id);
    this.#add(key, "trash", h("bdi", {}, text("deleted", { title: item.title })), button, onClose);
  }

  /** @param {import("./hub-client.js").Failure} failure */
  failed(failure) {
    this.#add(failure, "error", text(failure));
  }

  /**
   * @param {string} key
   * @param {string} iconName
   * @param {Node | string} content
   */
  #addArrival(key, iconName, content) {
    this.#add(key, iconName, content);
    this.#arrivals.add(key);
  }

  /**
   * @param {string} key a second toast of the same key replaces the first
   * @param {string} iconName
   * @param {Node | string} content
   * @param {HTMLElement | null} action
   * @param {() => void} onClose
   */
  #add(key, iconName, content, action = null, onClose = () => {}) {
    this.#close(key);
    const close = () => this.#close(key);
    const label = text("dismiss");
    const dismiss = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, click: close }, icon("close"));
    const words = h("p", { class: "toast-text" }, content);
    const element = h("div", { class: "toast", "data-level": iconName }, icon(iconName), words, action, dismiss);
    this.#toasts.set(key, { element, onClose });
    const [oldest] = this.#toasts.keys();
    if (this.#toasts.size > MAX_TOASTS) this.#close(oldest);
    this.#stack.append(element);
    this.#spoken.textContent = words.textContent;
    this.#raise();
    this.#closeAfter(key, element, SHOWN_MS);
  }

  /** Shown anew, the toasts lie above a panel that was opened meanwhile. */
  #raise() {
    if (this.#stack.matches(":focus-within")) return;
    if (this.#stack.matches(":popover-open")) this.#stack.hidePopover();
    this.#stack.showPopover();
  }

  /** @param {string} key */
  #close(key) {
    const toast = this.#toasts.get(key);
    if (!toast) return;
    this.#toasts.delete(key);
    this.#arrivals.delete(key);
    const hadFocus = toast.element.matches(":focus-within");
    toast.element.remove();
    if (this.#toasts.size === 0 && this.#stack.matches(":popover-open")) this.#stack.hidePopover();
    if (hadFocus) this.takeFocus();
    toast.onClose();
  }

  /**
   * @param {string} key
   * @param {HTMLElement} element
   * @param {number} ms
   */
  #closeAfter(key, element, ms) {
    setTimeout(() => {
      if (this.#toasts.get(key)?.element !== element) return;
      if (element.matches(":hover, :focus-within")) this.#closeAfter(key, element, HELD_MS);
      else this.#close(key);
    }, ms);
  }
}
