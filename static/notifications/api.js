// @ts-check
/** The hub's REST paths as calls that answer and never throw. */

import { isCounts, isDelta, isNotification, isObject, isPage } from "./shapes.js";

const TIMEOUT_MS = 20_000;

/**
 * @typedef {object} Answer
 * @property {boolean} ok whether the hub did what was asked, and its body has the shape of the contract
 * @property {number} status 0 when no answer came
 * @property {any} body parsed JSON, or null
 * @property {string | null} retryAfter
 * @property {string | null} pollInterval
 */

/** @type {Answer} */
const NOTHING = { ok: false, status: 0, body: null, retryAfter: null, pollInterval: null };

export class Api {
  /** @type {string | null} the one that this page is about: the first that the hub names to it */
  inbox = null;

  /**
   * @param {string} base where the API is mounted, for example `/api/v1/`
   * @param {() => string} csrfToken
   * @param {string} loginUrl where the site sends those who are logged out
   */
  constructor(base, csrfToken, loginUrl) {
    this.base = base.endsWith("/") ? base : `${base}/`;
    this.csrfToken = csrfToken;
    this.loginUrl = loginUrl;
  }

  /**
   * @param {string | null} after
   * @param {string} client a name for this tab
   */
  streamUrl(after, client) {
    return this.#url("notifications/stream", { after, client, on_limit: "retry" });
  }

  /**
   * @param {import("./fold.js").Filter} filter
   * @param {number} limit
   */
  list(filter, limit) {
    const unread = filter.unread ? "true" : null;
    const archived = filter.archived ? "true" : null;
    return this.#send("GET", this.#url("notifications", { limit, unread, archived, category: filter.category }), { fits: isPage });
  }

  /** @param {string} next the `next` of a list; only its query is used, a proxy may have changed its host */
  older(next) {
    return this.#send("GET", this.#url("notifications", {}) + next.replace(/^[^?]*/, ""), { fits: isPage });
  }

  /** @param {string | null} after */
  changes(after) {
    return this.#send("GET", this.#url("notifications/changes", { after, limit: 500 }), { fits: isDelta });
  }

  counts() {
    return this.#send("GET", this.#url("notifications/counts", {}), { fits: isCounts });
  }

  /**
   * @param {string} id
   * @param {{read?: boolean, archived?: boolean}} wish what is to be so
   */
  setState(id, wish) {
    return this.#send("PATCH", this.#url(`notifications/${encodeURIComponent(id)}`, {}), { fits: isNotification, body: wish });
  }

  /**
   * @param {{action: "read" | "unread" | "archive" | "unarchive" | "delete", ids: string[]}
   *   | {action: "read", up_to: string, category?: string}} body
   */
  act(body) {
    return this.#send("POST", this.#url("notifications/actions", {}), { fits: isObject, body });
  }

  /** @param {string} id */
  remove(id) {
    return this.#send("DELETE", this.#url(`notifications/${encodeURIComponent(id)}`, {}));
  }

  /**
   * Send an empty POST to the page's own site; with `same-origin` no redirect leads it, and its token, anywhere else.
   *
   * @param {string} path
   * @returns {Promise<{ok: boolean, status: number}>} 401 too for somebody who is sent to log in; 0 when no answer came
   */
  async post(path) {
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "X-CSRFToken": this.csrfToken() },
        credentials: "same-origin",
        mode: "same-origin",
        keepalive: true,
        signal: AbortSignal.timeout?.(TIMEOUT_MS),
      });
      const isLogin = response.redirected && new URL(response.url).pathname === new URL(this.loginUrl, location.href).pathname;
      return isLogin ? { ok: false, status: 401 } : { ok: response.ok, status: response.status };
    } catch {
      return { ok: false, status: 0 };
    }
  }

  /**
   * @param {unknown} inbox that an answer or a stream is about; some do not say
   * @returns {boolean} whether that is this page's: the cookie may have become somebody else's
   */
  isOurs(inbox) {
    if (typeof inbox !== "string") return true;
    this.inbox ??= inbox;
    return inbox === this.inbox;
  }

  /**
   * @param {string} path
   * @param {Record<string, unknown>} query entries without a value are left out
   */
  #url(path, query) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return this.base + path + (text ? `?${text}` : "");
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {{fits?: (body: any) => boolean, body?: object}} [options] `fits`: what a body must be to be of any use
   * @returns {Promise<Answer>}
   */
  async #send(method, url, { fits = () => true, body } = {}) {
    try {
      /** @type {Record<string, string>} */
      const headers = { Accept: "application/json" };
      if (method !== "GET") headers["X-CSRFToken"] = this.csrfToken();
      if (body) headers["Content-Type"] = "application/json";
      const response = await fetch(url, {
        method,
        headers,
        body: body && JSON.stringify(body),
        credentials: "same-origin",
        // A read or delete goes out even when the page is being left.
        keepalive: method !== "GET",
        // Where a browser has no such clock, its own limit has to do.
        signal: AbortSignal.timeout?.(TIMEOUT_MS),
      });
      const answered = await response.json().catch(() => null);
      // For this page nobody is logged in then, and what is somebody else's goes no further.
      if (response.ok && !this.isOurs(answered?.inbox)) return { ...NOTHING, status: 401 };
      return {
        ok: response.ok && fits(answered),
        status: response.status,
        body: answered,
        retryAfter: response.headers.get("Retry-After"),
        pollInterval: response.headers.get("X-Poll-Interval"),
      };
    } catch {
      return NOTHING;
    }
  }
}
