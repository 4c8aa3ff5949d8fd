// @ts-check
/** A list that is kept up to date: pages from REST, changes from the link, both in the right order. */
import { addOlderPage, listed, offer, openWindow } from "./fold.js";
import { backoffMs, isNewer } from "./policy.js";

const FIRST_RETRY_MS = 2_000;

/** Dispatches `update` whenever its properties or what `list()` returns have changed. */
export class InboxView extends EventTarget {
  /** @type {"loading" | "ready" | "error"} */
  status = "loading";
  isLoadingMore = false;
  /** @type {import("./fold.js").Filter} */
  filter = {};
  /** @type {import("./fold.js").Window | null} */
  #window = null;
  /** @type {string | null} */
  #next = null;
  /** A list that nobody has asked for yet is not fetched. */
  #isWanted = false;
  /** Whether changes are missing that only a fresh list can bring. */
  #isStale = true;
  /** @type {string | null} the least that a fresh list must know */
  #startCursor = null;
  /** @type {object | null} the fetch that counts; of several at once the last */
  #fetching = null;
  /** @type {import("./fold.js").Change[]} they wait for the page that is being fetched */
  #held = [];
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;

  /**
   * @param {import("./hub-client.js").HubClient} client
   * @param {number} pageSize
   */
  constructor(client, pageSize) {
    super();
    this.client = client;
    this.pageSize = pageSize;
  }

  /** The cursor of what is shown; null before the first page has come. */
  get cursor() {
    return this.#window?.cursor ?? null;
  }

  get hasMore() {
    return this.#next !== null;
  }

  /** @returns {import("./fold.js").Notification[]} newest first, with what the user has just done to them */
  list() {
    if (!this.#window) return [];
    const items = new Map();
    for (const item of this.#window.items.values()) {
      const shown = this.client.overlaid(item);
      if (shown) items.set(item.id, shown);
    }
    return listed({ ...this.#window, items }, this.filter);
  }

  /** @param {import("./fold.js").Filter} filter */
  show(filter) {
    this.filter = filter;
    this.#window = null;
    this.#next = null;
    return this.load();
  }

  /** Fetch the newest page. */
  async load() {
    const fetching = this.#beginFetch();
    this.#isWanted = true;
    this.#isStale = true;
    this.status = this.#window ? "ready" : "loading";
    this.refresh();
    const answer = await this.client.api.list(this.filter, this.pageSize);
    if (fetching !== this.#fetching) return;
    this.client.answered(answer);
    if (answer.ok && !this.#isTooOld(answer.body.cursor)) this.#loaded(answer.body);
    else this.#failed(answer.ok);
    this.refresh();
  }

  /** Fetch the next older page. */
  async loadMore() {
    if (!this.#next || !this.#window || this.#fetching) return;
    const fetching = this.#beginFetch();
    this.isLoadingMore = true;
    this.refresh();
    const answer = await this.client.api.older(this.#next);
    if (fetching !== this.#fetching) return;
    this.isLoadingMore = false;
    this.client.answered(answer);
    if (answer.ok) {
      addOlderPage(this.#window, answer.body);
      this.#next = answer.body.next;
    } else {
      this.client.failed("load_failed");
    }
    this.#endFetch();
    this.refresh();
  }

  /** @param {string} cursor changes up to it do not come any more */
  started(cursor) {
    this.#startCursor = cursor;
    this.#held = [];
    if (!this.#isWanted) return;
    // A page on its way may be fresh enough; that is seen when it has come.
    if (this.#isStale && this.#fetching) return;
    if (this.#isTooOld(this.cursor)) void this.load();
  }

  /** @param {import("./fold.js").Change} change */
  changed(change) {
    if (this.#fetching) this.#held.push(change);
    else this.#offer(change);
    this.refresh();
  }

  /** Nothing is fetched for it any more, and no change reaches it. */
  close() {
    clearTimeout(this.#retryTimer);
    this.#fetching = null;
    this.#held = [];
    this.client.forget(this);
  }

  refresh() {
    this.dispatchEvent(new Event("update"));
  }

  /** @param {import("./fold.js").Page} page */
  #loaded(page) {
    this.#window = openWindow(page);
    this.#next = page.next;
    this.#isStale = false;
    this.#failures = 0;
    this.status = "ready";
    this.client.counted(page.unread_count, page.cursor);
    this.#endFetch();
  }

  /** @param {boolean} wasTooOld then a second list is asked for at once, before any backoff */
  #failed(wasTooOld) {
    this.#fetching = null;
    this.#held = [];
    this.#failures += 1;
    if (!wasTooOld) this.status = this.#window ? "ready" : "error";
    if (this.client.link.state === "signed-out") return;
    const pauseMs = wasTooOld && this.#failures === 1 ? 0 : backoffMs(this.#failures, FIRST_RETRY_MS, Math.random());
    this.#retryTimer = setTimeout(() => void this.load(), pauseMs);
  }

  #beginFetch() {
    clearTimeout(this.#retryTimer);
    this.isLoadingMore = false;
    this.#fetching = {};
    this.#held = [];
    return this.#fetching;
  }

  #endFetch() {
    const held = this.#held;
    this.#fetching = null;
    this.#held = [];
    for (const change of held) this.#offer(change);
  }

  /** @param {import("./fold.js").Change} change */
  #offer(change) {
    if (this.#isStale || !this.#window) return;
    if (offer(this.#window, change) === "foreign") void this.load();
  }

  /** @param {string | null} cursor */
  #isTooOld(cursor) {
    return this.#startCursor !== null && isNewer(this.#startCursor, cursor);
  }
}
