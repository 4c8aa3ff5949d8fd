// @ts-check
/**
 * A bell for any page, in two lines:
 *
 *     <script type="module" src="/static/notifications/bell.js"></script>
 *     <notification-bell></notification-bell>
 *
 * Attributes, all optional: `api` (default `/api/v1/`), `csrf-token` (where no script may read the cookie),
 * `inbox-url` (`/`), `login-url` (`/login/`). Whose notifications these are, the hub says by the page's cookie.
 * What it looks like follows the custom properties of theme.css, set on the element.
 */
import { batched, h, icon } from "./dom.js";
import { NoteList } from "./note-list.js";
import { pageClient } from "./page-client.js";
import { StatusLine } from "./status-line.js";
import { text } from "./strings.js";
import { Toasts } from "./toasts.js";

const PANEL_SIZE = 15;
const MAX_SHOWN_COUNT = 99;
const MARGIN_PX = 8;
const STYLES = ["theme.css", "notes.css", "bell.css"];

class NotificationBell extends HTMLElement {
  #client = pageClient(this);
  #view = this.#client.view(PANEL_SIZE);
  #list = new NoteList(this.#client);
  #status = new StatusLine(this.#client, this.getAttribute("login-url") ?? "/login/");
  #badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
  #button = h(
    "button",
    { type: "button", class: "bell", "aria-haspopup": "dialog", "aria-expanded": "false", click: () => this.#toggle() },
    icon("bell"),
    this.#badge,
  );
  #markAll = h("button", { type: "button", class: "link-button", click: () => this.#markAllRead() }, text("mark_all_read"));
  #word = h("p", { class: "panel-word" });
  #panel = this.#makePanel();
  #toasts = new Toasts(this.#client, () => this.#button.focus());

  constructor() {
    super();
    const content = h("div", { class: "bell-root", hidden: true }, this.#button, this.#panel, ...this.#toasts.elements);
    this.attachShadow({ mode: "open" }).append(...styles(() => content.removeAttribute("hidden")), content);
  }

  connectedCallback() {
    this.#view.addEventListener("update", this.#render);
    for (const [name, listen] of this.#listeners) this.#client.addEventListener(name, listen);
    document.addEventListener("pointerdown", this.#pressed);
    globalThis.addEventListener("resize", this.#place);
    this.#list.connect();
    this.#render();
  }

  disconnectedCallback() {
    this.#view.removeEventListener("update", this.#render);
    for (const [name, listen] of this.#listeners) this.#client.removeEventListener(name, listen);
    document.removeEventListener("pointerdown", this.#pressed);
    globalThis.removeEventListener("resize", this.#place);
    this.#list.disconnect();
  }

  #makePanel() {
    const all = h("a", { href: this.getAttribute("inbox-url") ?? "/", class: "panel-all" }, text("see_all"));
    const panel = h(
      "div",
      { class: "panel", popover: "manual", role: "dialog", "aria-label": text("notifications"), tabindex: "-1" },
      h("div", { class: "panel-head" }, h("h2", {}, text("notifications")), this.#markAll),
      h("div", { class: "panel-scroll" }, this.#list.element, this.#word),
      h("div", { class: "panel-foot" }, this.#status.element, all),
    );
    panel.addEventListener("keydown", (event) => this.#escape(event));
    panel.addEventListener("focusout", (event) => this.#left(event));
    return panel;
  }

  #render = batched(() => {
    const count = this.#client.unread;
    this.#button.setAttribute("aria-label", text("bell_label", { count: count ?? 0 }));
    this.#badge.hidden = !count;
    this.#badge.textContent = (count ?? 0) > MAX_SHOWN_COUNT ? `${MAX_SHOWN_COUNT}+` : String(count);
    this.#button.dataset.state = this.#client.link.state;
    this.#markAll.toggleAttribute("disabled", !count || !this.#view.cursor);
    this.#status.update();
    if (this.#isOpen) this.#renderList();
  });

  #renderList() {
    const items = this.#view.list();
    this.#list.render(items);
    const word = { loading: text("loading"), error: text("load_failed"), ready: text("empty_title") }[this.#view.status];
    this.#word.hidden = items.length > 0;
    this.#word.textContent = word;
  }

  #listeners = /** @type {[string, EventListener][]} */ ([
    ["update", () => this.#render()],
    ["arrived", (/** @type {CustomEvent} */ event) => this.#isOpen || this.#toasts.arrived(event.detail)],
    ["failed", (/** @type {CustomEvent} */ event) => this.#toasts.failed(event.detail)],
    ["discard", (/** @type {CustomEvent} */ event) => {
      event.preventDefault();
      this.#toasts.discarded(event.detail);
    }],
  ]);

  get #isOpen() {
    return this.#panel.matches(":popover-open");
  }

  #toggle() {
    if (this.#isOpen) this.#close();
    else this.#open();
  }

  #open() {
    if (!this.#view.cursor) void this.#view.load();
    this.#list.restart();
    this.#panel.showPopover();
    this.#renderList();
    this.#place();
    this.#button.setAttribute("aria-expanded", "true");
    this.#panel.focus();
  }

  #close() {
    this.#panel.hidePopover();
    this.#button.setAttribute("aria-expanded", "false");
  }

  /** Below the bell, and inside the window however narrow that is. */
  #place = () => {
    if (!this.#isOpen) return;
    const bell = this.#button.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const isNarrow = this.#panel.offsetWidth > width - 2 * MARGIN_PX;
    const left = isNarrow ? MARGIN_PX : Math.max(MARGIN_PX, Math.min(bell.right, width - MARGIN_PX) - this.#panel.offsetWidth);
    this.#panel.style.top = `${Math.max(MARGIN_PX, bell.bottom + MARGIN_PX)}px`;
    this.#panel.style.left = `${left}px`;
    this.#panel.style.maxHeight = `calc(100dvh - ${bell.bottom + 2 * MARGIN_PX}px)`;
  };

  /** @param {Event} event */
  #pressed = (event) => {
    if (this.#isOpen && !event.composedPath().includes(this)) this.#close();
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
    if (target && !this.shadowRoot?.contains(target)) this.#close();
  }

  #markAllRead() {
    if (this.#view.cursor) void this.#client.markAllRead(this.#view.cursor);
  }
}

/**
 * @param {() => void} ready called when the content can be shown without flashing unstyled
 * @returns {HTMLElement[]} the links of a shadow root
 */
function styles(ready) {
  const links = STYLES.map((name) => h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).pathname }));
  const loads = links.map((link) => new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  }));
  void Promise.all(loads).then(ready);
  return links;
}

if (!customElements.get("notification-bell")) customElements.define("notification-bell", NotificationBell);
