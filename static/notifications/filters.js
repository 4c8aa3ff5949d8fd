// @ts-check
/** The filters of an inbox as links: they work without a script, open in a new tab, and can be kept. */
import { h } from "./dom.js";
import { text } from "./strings.js";

const COUNTS_DELAY_MS = 500;

/** @typedef {import("./fold.js").Filter} Filter */

/**
 * @param {string} search of an address
 * @returns {Filter}
 */
export function filterOf(search) {
  const query = new URLSearchParams(search);
  return { unread: query.get("unread") === "true", archived: query.get("archived") === "true", category: query.get("category") || undefined };
}

/**
 * @param {Filter} filter
 * @returns {string} an address on the same page
 */
export function hrefOf(filter) {
  const query = new URLSearchParams();
  if (filter.unread) query.set("unread", "true");
  if (filter.archived) query.set("archived", "true");
  if (filter.category) query.set("category", filter.category);
  const search = query.toString();
  return search ? `?${search}` : location.pathname;
}

export class FilterBar {
  #all = h("a", { class: "tab" }, text("all"));
  #unreadCount = h("span", { class: "count" });
  #unread = h("a", { class: "tab" }, text("unread"), " ", this.#unreadCount);
  #archived = h("a", { class: "tab" }, text("archived_tab"));
  #anyCategory = h("a", { class: "chip" }, text("all_categories"));
  tabs = h("div", { class: "tabs" }, this.#all, this.#unread, this.#archived);
  chips = h("div", { class: "chips", role: "group", "aria-label": text("category"), hidden: true }, this.#anyCategory);
  /** @type {Map<string, {link: HTMLElement, count: HTMLElement}>} a category that was seen stays */
  #categories = new Map();
  /** @type {Filter} */
  #filter = {};
  /** @type {number | null} */
  #countedUnread = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #countsTimer;

  /**
   * @param {import("./hub-client.js").HubClient} client
   * @param {(filter: Filter) => void} choose
   */
  constructor(client, choose) {
    this.client = client;
    this.choose = choose;
    this.#listen(this.#all, () => ({ ...this.#filter, unread: false, archived: false }));
    this.#listen(this.#unread, () => ({ ...this.#filter, unread: true, archived: false }));
    this.#listen(this.#archived, () => ({ ...this.#filter, unread: false, archived: true }));
    this.#listen(this.#anyCategory, () => ({ ...this.#filter, category: undefined }));
  }

  disconnect() {
    clearTimeout(this.#countsTimer);
    this.#countsTimer = undefined;
    this.#countedUnread = null;
  }

  /**
   * @param {Filter} filter what is shown
   * @param {Iterable<string>} categories some that are known to exist
   */
  update(filter, categories) {
    this.#filter = filter;
    if (filter.category) this.#chip(filter.category);
    for (const category of categories) this.#chip(category);
    this.chips.hidden = this.#categories.size < 2 && !filter.category;
    this.#unreadCount.textContent = this.client.unread ? String(this.client.unread) : "";
    this.#mark(this.#all, { ...filter, unread: false, archived: false }, !filter.unread && !filter.archived);
    this.#mark(this.#unread, { ...filter, unread: true, archived: false }, Boolean(filter.unread));
    this.#mark(this.#archived, { ...filter, unread: false, archived: true }, Boolean(filter.archived));
    this.#mark(this.#anyCategory, { ...filter, category: undefined }, !filter.category);
    for (const [category, { link }] of this.#categories) {
      this.#mark(link, { ...filter, category }, filter.category === category);
    }
    this.#planCounts();
  }

  /**
   * @param {HTMLElement} link
   * @param {Filter} filter
   * @param {boolean} isCurrent
   */
  #mark(link, filter, isCurrent) {
    link.setAttribute("href", hrefOf(filter));
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  /**
   * @param {HTMLElement} link
   * @param {() => Filter} filter
   */
  #listen(link, filter) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.choose(filter());
    });
  }

  /** @param {string} category */
  #chip(category) {
    const known = this.#categories.get(category);
    if (known) return known;
    const count = h("span", { class: "count" });
    const link = h("a", { class: "chip" }, category, " ", count);
    this.#listen(link, () => ({ ...this.#filter, category }));
    const after = [...this.#categories.keys()].filter((name) => name > category).sort()[0];
    this.chips.insertBefore(link, this.#categories.get(after)?.link ?? null);
    const chip = { link, count };
    this.#categories.set(category, chip);
    return chip;
  }

  /** Only the hub knows what is unread in a category, and it is asked when the whole count has moved. */
  #planCounts() {
    if (this.client.unread === this.#countedUnread || this.#countsTimer) return;
    const delayMs = this.#countedUnread === null ? 0 : COUNTS_DELAY_MS;
    this.#countsTimer = setTimeout(() => void this.#fetchCounts(), delayMs);
  }

  async #fetchCounts() {
    this.#countedUnread = this.client.unread;
    const answer = await this.client.api.counts();
    this.#countsTimer = undefined;
    if (!answer.ok) return;
    /** @type {Record<string, number>} */
    const unread = answer.body.by_category;
    for (const category of Object.keys(unread)) this.#chip(category);
    for (const [category, { count }] of this.#categories) count.textContent = unread[category] ? String(unread[category]) : "";
    this.update(this.#filter, []);
  }
}
