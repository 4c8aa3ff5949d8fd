// @ts-check
/**
 * A bell for any page, in two lines:
 *
 *     <script type="module" src="/static/notifications/bell.js"></script>
 *     <notification-bell></notification-bell>
 *
 * Attributes, all optional: `api` (default `/api/v1/`), `csrf-token` (where no script may read the cookie),
 * `inbox-url` (`/`), `login-url` (`/login/`); where this file stands below a path, so do these. Whose notifications these
 * are, the hub says by the page's cookie.
 * What it looks like follows the custom properties of theme.css, set on the element, and the page's `color-scheme`.
 */
import { batched, h, icon } from "./dom.js";
import { LAYER, lower, raise, restore } from "./layer.js";
import { LivingElement } from "./living-element.js";
import { NoteList } from "./note-list.js";
import { pageClient } from "./page-client.js";
import { ROOT } from "./site.js";
import { StatusLine } from "./status-line.js";
import { text } from "./strings.js";
import { Toasts } from "./toasts.js";

const PANEL_SIZE = 15;
const MAX_SHOWN_COUNT = 99;
const MARGIN_PX = 8;
/** Where there is this much room below the bell, that is where people look. */
const ENOUGH_PX = 320;
const STYLES = ["theme.css", "notes.css", "bell.css"];

class NotificationBell extends LivingElement {
  /** @type {Bell | null} */
  #bell = null;

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
  }

  appear() {
    this.#bell = new Bell(this);
  }

  vanish() {
    this.#bell?.end();
    this.#bell = null;
  }

  moved() {
    this.#bell?.moved();
  }
}

/** What is in the element while it is on a page. */
class Bell {
  #gone = new AbortController();
  #badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
  #button = h(
    "button",
    { type: "button", class: "bell", "aria-haspopup": "dialog", "aria-expanded": "false", click: () => this.#toggle() },
    icon("bell"),
    this.#badge,
  );
  #markAll = h("button", { type: "button", class: "link-button", click: () => this.#markAllRead() }, text("mark_all_read"));
  #word = h("p", { class: "panel-word" });

  /** @param {NotificationBell} element */
  constructor(element) {
    this.element = element;
    this.client = pageClient(element);
    this.view = this.client.view(PANEL_SIZE);
    this.list = new NoteList(this.client);
    this.status = new StatusLine(this.client, element.getAttribute("login-url") ?? `${ROOT}/login/`);
    this.toasts = new Toasts(this.client, () => this.#button.focus());
    this.panel = this.#makePanel(element.getAttribute("inbox-url") ?? `${ROOT}/`);
    const content = h("div", { class: "bell-root", hidden: true }, this.#button, this.panel, ...this.toasts.elements);
    element.shadowRoot?.replaceChildren(...styles(() => content.removeAttribute("hidden")), content);
    this.#listen();
    this.#render();
  }

  end() {
    this.#gone.abort();
    this.element.toggleAttribute("data-open", false);
    this.view.close();
    this.list.disconnect();
    this.status.disconnect();
    this.element.shadowRoot?.replaceChildren();
  }

  moved() {
    restore(this.panel);
    this.toasts.moved();
    this.#place();
  }

  #listen() {
    const { signal } = this.#gone;
    this.list.connect();
    this.toasts.connect(signal);
    this.view.addEventListener("update", this.#render, { signal });
    this.client.addEventListener("update", this.#render, { signal });
    this.client.addEventListener("arrived", (event) => this.#isOpen && event.preventDefault(), { signal });
    this.#tell("announce", (item) => this.toasts.arrived(item));
    this.#tell("discard", (item) => this.toasts.discarded(item));
    this.#tell("failed", (failure) => this.toasts.failed(failure));
    this.#tell("performed", (action) => this.toasts.performed(action));
    document.addEventListener("pointerdown", this.#pressed, { signal });
    globalThis.addEventListener("resize", this.#place, { signal });
  }

  /**
   * Tell the user in a toast, unless another bell of the page does: the one that is open, or else the first.
   *
   * @param {string} name of an event of the client
   * @param {(detail: any) => void} tell
   */
  #tell(name, tell) {
    const heard = (/** @type {Event} */ event) => {
      const open = document.querySelector("notification-bell[data-open]");
      if (event.defaultPrevented || (open && open !== this.element)) return;
      event.preventDefault();
      tell(/** @type {CustomEvent} */ (event).detail);
    };
    this.client.addEventListener(name, heard, { signal: this.#gone.signal });
  }

  /** @param {string} inboxUrl */
  #makePanel(inboxUrl) {
    const all = h("a", { href: inboxUrl, class: "panel-all" }, text("see_all"));
    const panel = h(
      "div",
      { class: "panel", role: "dialog", "aria-label": text("notifications"), tabindex: "-1", ...LAYER },
      h("div", { class: "panel-head" }, h("h2", {}, text("notifications")), this.#markAll),
      h("div", { class: "panel-scroll" }, this.list.element, this.#word),
      h("div", { class: "panel-foot" }, this.status.element, all),
    );
    panel.addEventListener("keydown", (event) => this.#escape(event));
    panel.addEventListener("focusout", (event) => this.#left(event));
    return panel;
  }

  #render = batched(() => {
    if (this.#gone.signal.aborted) return;
    const count = this.client.unread;
    this.#button.setAttribute("aria-label", text("bell_label", { count: count ?? 0 }));
    this.#badge.hidden = !count;
    this.#badge.textContent = (count ?? 0) > MAX_SHOWN_COUNT ? `${MAX_SHOWN_COUNT}+` : String(count);
    this.#button.dataset.state = this.client.link.state;
    this.#markAll.toggleAttribute("disabled", !count || !this.view.cursor);
    this.status.update();
    if (this.#isOpen) this.#renderList();
  });

  #renderList() {
    const items = this.view.list();
    this.list.render(items);
    const word = { loading: text("loading"), error: text("load_failed"), ready: text("empty_title") }[this.view.status];
    this.#word.hidden = items.length > 0;
    this.#word.textContent = word;
  }

  get #isOpen() {
    return !this.panel.hidden;
  }

  #toggle() {
    if (this.#isOpen) this.#close();
    else this.#open();
  }

  #open() {
    if (!this.view.cursor) void this.view.load();
    this.list.restart();
    raise(this.panel);
    this.element.toggleAttribute("data-open", true);
    this.#renderList();
    this.#place();
    this.#button.setAttribute("aria-expanded", "true");
    this.panel.focus();
  }

  #close() {
    lower(this.panel);
    this.element.toggleAttribute("data-open", false);
    this.#button.setAttribute("aria-expanded", "false");
  }

  /** Beside the bell where there is more room, and inside the window however small that is. */
  #place = () => {
    if (!this.#isOpen) return;
    const bell = this.#button.getBoundingClientRect();
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const { style } = this.panel;
    const isNarrow = this.panel.offsetWidth > width - 2 * MARGIN_PX;
    const right = Math.min(bell.right, width - MARGIN_PX) - this.panel.offsetWidth;
    style.left = `${isNarrow ? MARGIN_PX : Math.max(MARGIN_PX, right)}px`;
    const [above, below] = [bell.top, height - bell.bottom].map((room) => Math.min(room, height - MARGIN_PX) - 2 * MARGIN_PX);
    const isBelow = below >= Math.min(above, ENOUGH_PX);
    style.top = isBelow ? `${Math.max(MARGIN_PX, bell.bottom + MARGIN_PX)}px` : "auto";
    style.bottom = isBelow ? "auto" : `${Math.max(MARGIN_PX, height - bell.top + MARGIN_PX)}px`;
    style.maxHeight = `${isBelow ? below : above}px`;
  };

  /** @param {Event} event */
  #pressed = (event) => {
    if (this.#isOpen && !event.composedPath().includes(this.element)) this.#close();
  };

  /** @param {KeyboardEvent} event */
  #escape(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.#close();
    this.#button.focus();
  }

  /** @param {FocusEvent} event */
  #left(event) {
    const target = /** @type {Node | null} */ (event.relatedTarget);
    // No target: the window lost the focus, or what had it was removed.
    if (target && !this.element.shadowRoot?.contains(target)) this.#close();
  }

  #markAllRead() {
    if (this.view.cursor) void this.client.markAllRead(this.view.cursor);
  }
}

/**
 * @param {() => void} ready called when the content can be shown without flashing unstyled
 * @returns {HTMLElement[]} the links of a shadow root
 */
function styles(ready) {
  // With its origin: static files may be on another one than the page.
  const links = STYLES.map((name) => h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).href }));
  const loads = links.map((link) => new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  }));
  void Promise.all(loads).then(ready);
  return links;
}

if (!customElements.get("notification-bell")) customElements.define("notification-bell", NotificationBell);
