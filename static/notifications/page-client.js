// @ts-check
/** The one hub client of a page, made from what the page says about itself, and tied to its life. */
import { HubClient } from "./hub-client.js";
import { ROOT } from "./site.js";

// A page may load a module twice under two names (hashed and not): both find the same client.
const KEY = Symbol.for("notification-hub.client");

/**
 * @param {Element} element its `api`, `csrf-token` and `login-url` attributes count if it is the first to ask
 * @returns {HubClient}
 */
export function pageClient(element) {
  const page = /** @type {Record<symbol, HubClient>} */ (/** @type {unknown} */ (globalThis));
  page[KEY] ??= open(element);
  return page[KEY];
}

/** @param {Element} element */
function open(element) {
  const client = new HubClient({
    api: element.getAttribute("api") ?? `${ROOT}/api/v1/`,
    csrfToken: () => csrfCookie() ?? element.getAttribute("csrf-token") ?? csrfMeta() ?? "",
    loginUrl: element.getAttribute("login-url") ?? `${ROOT}/login/`,
  });
  document.addEventListener("visibilitychange", () => client.tabs.visibilityChanged(!document.hidden));
  globalThis.addEventListener("online", () => client.tabs.nudge());
  globalThis.addEventListener("pagehide", () => client.stop());
  globalThis.addEventListener("pageshow", (event) => event.persisted && client.start());
  client.start();
  return client;
}

/** The cookie is asked first: a login in another tab renews it, but not what this page has rendered. */
function csrfCookie() {
  const match = /(?:^|;\s*)(?:__Host-|__Secure-)?csrftoken=([^;]+)/.exec(document.cookie);
  return match ? match[1] : null;
}

function csrfMeta() {
  return document.querySelector('meta[name="csrf-token"]')?.getAttribute("content");
}
