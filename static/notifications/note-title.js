// @ts-check
/** Where a notification leads: its title, and links that it offers. */
import { h } from "./dom.js";
import { isOwnPath, safeHref } from "./policy.js";

/**
 * @param {import("./fold.js").Notification} item
 * @param {() => void} followed called when somebody follows the link, by whatever button or key
 * @returns {HTMLElement} a link where the notification leads somewhere
 */
export function noteTitle(item, followed) {
  const title = h("bdi", {}, item.title);
  return noteLink(item.url, followed, {}, title) ?? title;
}

/**
 * @param {unknown} url
 * @param {() => void} followed
 * @param {Record<string, string>} attributes
 * @param {HTMLElement} content
 * @returns {HTMLElement | null} none where the url leads nowhere that a page may send anybody
 */
export function noteLink(url, followed, attributes, content) {
  const href = safeHref(url);
  if (!href) return null;
  // The middle button opens a tab and is no click; the right one opens a menu and follows nothing.
  const pressed = (/** @type {MouseEvent} */ event) => event.button === 1 && followed();
  const rel = isOwnPath(href) ? null : "noopener";
  return h("a", { href, rel, click: () => followed(), auxclick: pressed, ...attributes }, content);
}
