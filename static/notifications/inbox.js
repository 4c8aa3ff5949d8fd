// @ts-check
/** `<notification-inbox>`: the whole inbox, taking over from the list that the server rendered inside it. */
import { batched, h, icon } from "./dom.js";
import { FilterBar, filterOf, hrefOf } from "./filters.js";
import { LivingElement } from "./living-element.js";
import { NoteList } from "./note-list.js";
import { pageClient } from "./page-client.js";
import { ROOT } from "./site.js";
import { StatusLine } from "./status-line.js";
import { text } from "./strings.js";

const PAGE_SIZE = 25;

class NotificationInbox extends LivingElement {
  /** @type {Inbox | null} */
  #inbox = null;

  appear() {
    this.#inbox = new Inbox(this);
  }

  vanish() {
    this.#inbox?.end();
    this.#inbox = null;
  }
}

/** What is in the element while it is on a page. */
class Inbox {
  #gone = new AbortController();
  #markAll = h("button", { type: "button", class: "button", click: () => this.#markAllRead() }, icon("check-all"), text("mark_all_read"));
  #word = h("div", { class: "word" });
  #more = h("button", { type: "button", class: "button more", click: () => void this.view.loadMore() });
  #isShown = false;
  #pageTitle = document.title;

  /** @param {NotificationInbox} element */
  constructor(element) {
    const { signal } = this.#gone;
    this.element = element;
    this.client = pageClient(element);
    this.view = this.client.view(PAGE_SIZE);
    this.list = new NoteList(this.client);
    this.status = new StatusLine(this.client, element.getAttribute("login-url") ?? `${ROOT}/login/`);
    this.filters = new FilterBar(this.client, (filter) => this.#choose(filter));
    this.client.addEventListener("update", this.#render, { signal });
    this.client.addEventListener("arrived", this.#arrived, { signal });
    this.view.addEventListener("update", this.#render, { signal });
    globalThis.addEventListener("popstate", this.#wentBack, { signal });
    this.list.connect();
    this.#wentBack();
  }

  end() {
    this.#gone.abort();
    this.view.close();
    this.list.disconnect();
    this.status.disconnect();
    this.filters.disconnect();
    document.title = this.#pageTitle;
  }

  /** @param {Event} event of a notification that needs no toast where somebody who looks at the page sees it here */
  #arrived = (event) => {
    const { id } = /** @type {CustomEvent} */ (event).detail;
    const isListed = this.#isShown && this.view.list().some((item) => item.id === id);
    if (isListed && this.list.isTopInView) event.preventDefault();
  };

  #render = batched(() => {
    if (this.#gone.signal.aborted) return;
    const items = this.view.list();
    const unread = this.client.unread;
    this.list.render(items);
    this.filters.update(this.view.filter, new Set(items.map((item) => item.category)));
    this.status.update();
    this.#markAll.toggleAttribute("disabled", !unread || !this.view.cursor);
    this.#more.hidden = !this.view.hasMore;
    this.#more.toggleAttribute("disabled", this.view.isLoadingMore);
    this.#more.textContent = text(this.view.isLoadingMore ? "loading" : "load_more");
    this.#renderWord(items.length);
    document.title = unread ? `(${unread}) ${this.#pageTitle}` : this.#pageTitle;
    // Until there is something better, what the server rendered stays.
    if (this.view.status !== "loading" || this.#isShown) this.#show();
  });

  #show() {
    if (this.#isShown) return;
    this.#isShown = true;
    const tools = h("div", { class: "tools" }, this.filters.tabs, this.#markAll);
    this.element.replaceChildren(this.status.element, tools, this.filters.chips, this.list.element, this.#word, this.#more);
  }

  /** @param {number} count of notifications shown */
  #renderWord(count) {
    const { status, filter, hasMore } = this.view;
    const kind = status === "ready" ? "empty" : status;
    this.#word.hidden = count > 0 || (status === "ready" && hasMore);
    const signature = JSON.stringify([kind, filter]);
    if (this.#word.dataset.shown === signature) return;
    this.#word.dataset.shown = signature;
    if (kind === "loading") this.#word.replaceChildren(h("p", {}, text("loading")));
    else if (kind === "error") this.#word.replaceChildren(...this.#errorWords());
    else this.#word.replaceChildren(...this.#emptyWords());
  }

  #errorWords() {
    const again = h("button", { type: "button", class: "button", click: () => void this.view.load() }, text("try_again"));
    return [icon("error"), h("p", {}, text("load_failed")), again];
  }

  #emptyWords() {
    const { unread, archived, category } = this.view.filter;
    if (archived) return [icon("archive"), h("p", { class: "word-title" }, text("none_archived"))];
    if (unread) return [icon("check-all"), h("p", { class: "word-title" }, text("none_unread"))];
    if (category) return [icon("bell"), h("p", { class: "word-title" }, text("none_matching"))];
    return [icon("bell"), h("p", { class: "word-title" }, text("empty_title")), h("p", {}, text("empty_text"))];
  }

  /** @param {import("./fold.js").Filter} filter */
  #choose(filter) {
    history.pushState(null, "", hrefOf(filter));
    this.#wentBack();
  }

  #wentBack = () => {
    this.list.restart();
    void this.view.show(filterOf(location.search));
  };

  #markAllRead() {
    if (this.view.cursor) void this.client.markAllRead(this.view.cursor, this.view.filter.category);
  }
}

if (!customElements.get("notification-inbox")) customElements.define("notification-inbox", NotificationInbox);
