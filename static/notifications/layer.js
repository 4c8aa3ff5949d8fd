// @ts-check
/**
 * Elements above the page: in the browser's top layer where there is one (the popover API), else, as well as that
 * can be had, by their `z-index`. Whether one is shown is its `hidden`, in either case.
 */

const HAS_TOP_LAYER = "showPopover" in HTMLElement.prototype;

/** For `h()`: what makes an element a layer, not shown yet. */
export const LAYER = { hidden: true, popover: HAS_TOP_LAYER ? "manual" : null };

/**
 * Show a layer above all others, also one that is shown already.
 *
 * @param {HTMLElement} element
 */
export function raise(element) {
  element.hidden = false;
  if (!HAS_TOP_LAYER || !element.isConnected) return;
  if (element.matches(":popover-open")) element.hidePopover();
  element.showPopover();
}

/** @param {HTMLElement} element */
export function lower(element) {
  element.hidden = true;
  if (HAS_TOP_LAYER && element.matches(":popover-open")) element.hidePopover();
}

/**
 * Show it again if it is to be shown: whoever is moved within a page has lost its place in the top layer.
 *
 * @param {HTMLElement} element
 */
export function restore(element) {
  if (!element.hidden) raise(element);
}
