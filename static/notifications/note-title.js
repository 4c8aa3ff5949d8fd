// @ts-check
/** A notification's title, as a link where it leads somewhere. */
import { h } from "./dom.js";
import { safeHref } from "./policy.js";

/**
 * @param {import("./fold.js").Notification} item
 * @param {() => void} followed called when somebody follows the link, by whatever button or key
 * @returns {HTMLElement}
 */
export function noteTitle(item, followed) {
  const href = safeHref(item.url);
  const title = h("bdi", {}, item.title);
  if (!href) return title;
  // The middle button opens a tab and is no click; the right one opens a menu and follows nothing.
  const pressed = (/** @type {MouseEvent} */ event) => event.button === 1 && followed();
  return h("a", { href, click: () => followed(), auxclick: pressed }, title);
}
