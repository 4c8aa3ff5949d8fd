// @ts-check
/** What a notification offers to do: links, and buttons that post to the page's own site. */
import { h } from "./dom.js";
import { noteLink } from "./note-title.js";
import { isOwnPath } from "./policy.js";

/** @typedef {import("./fold.js").Action} Action */

/**
 * @param {import("./fold.js").Notification} item
 * @param {object} row
 * @param {string} row.titleId of what they are about
 * @param {() => void} row.followed called when a link is followed
 * @param {(action: Action) => Promise<void>} row.perform called when a button is pressed
 * @returns {HTMLElement | null}
 */
export function noteActions(item, { titleId, followed, perform }) {
  const named = { class: "note-action", "aria-describedby": titleId };
  const elements = (item.actions ?? []).flatMap((action) => {
    const label = h("bdi", {}, action.label);
    if (action.method !== "POST") return noteLink(action.url, followed, named, label) ?? [];
    return isOwnPath(action.url) ? postButton(named, label, () => perform(action)) : [];
  });
  return elements.length > 0 ? h("div", { class: "note-offers" }, ...elements) : null;
}

/**
 * @param {Record<string, string>} attributes
 * @param {HTMLElement} label
 * @param {() => Promise<void>} perform
 */
function postButton(attributes, label, perform) {
  const button = h("button", { type: "button", ...attributes }, label);
  button.addEventListener("click", async () => {
    // Not `disabled`, which would take the focus from whoever pressed it by a key.
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    await perform();
    button.ariaDisabled = "false";
  });
  return button;
}
