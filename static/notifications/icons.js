// @ts-check
/**
 * The drawings of the icons, in a square of 20. They are drawn into the page itself: a `<use>` of a file on
 * another origin draws nothing, and static files often have an origin of their own. `icons.svg` has the same for
 * pages that are rendered by the server; a test holds the two together.
 */

/** @typedef {[tag: string, attributes: Record<string, string>]} Shape */

/** @type {Record<string, Shape[]>} */
export const ICONS = {
  bell: [["path", { d: "M5 8.2a5 5 0 0 1 10 0c0 4.3 1.7 5.6 1.7 5.6H3.3S5 12.5 5 8.2M8.3 16.6a1.9 1.9 0 0 0 3.4 0" }]],
  check: [["path", { d: "m4.5 10.5 3.7 3.7 7.3-8" }]],
  "check-all": [["path", { d: "m2 10.7 3.5 3.5 7-8M9.5 13.2l1 1 7.5-8" }]],
  dot: [["circle", { cx: "10", cy: "10", r: "3.5", fill: "currentColor", stroke: "none" }]],
  archive: [["path", { d: "M3.3 4h13.4v3.2H3.3zM4.5 7.2v9h11v-9M8 10.4h4" }]],
  inbox: [["path", { d: "M3.3 11 5.4 4h9.2l2.1 7v5H3.3zM3.3 11h4l1 2h3.4l1-2h4" }]],
  trash: [["path", { d: "M3.7 5.5h12.6M8 5.5V3.7h4v1.8M5.3 5.5l.7 10.8h8l.7-10.8M8.4 8.7v4.6M11.6 8.7v4.6" }]],
  close: [["path", { d: "m5.5 5.5 9 9M14.5 5.5l-9 9" }]],
  info: [["circle", { cx: "10", cy: "10", r: "7" }], ["path", { d: "M10 9.3v4M10 6.6v.1" }]],
  success: [["circle", { cx: "10", cy: "10", r: "7" }], ["path", { d: "m6.9 10.3 2.2 2.2 4-4.6" }]],
  warning: [["path", { d: "M10 3.3 17.3 16H2.7zM10 8.3v3.5M10 13.8v.1" }]],
  error: [["circle", { cx: "10", cy: "10", r: "7" }], ["path", { d: "M10 6.4v4.3M10 13.4v.1" }]],
};
