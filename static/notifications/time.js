// @ts-check
/** Times as a reader says them: "3 minutes ago", with the exact one at hand. */

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** That of the words which a page has not translated. */
const FALLBACK_LANGUAGE = "en";

/**
 * @param {number} thenMs
 * @param {number} nowMs
 * @param {string} language
 */
export function relativeTime(thenMs, nowMs, language) {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  // The server's clock may be a little ahead of this one.
  const seconds = Math.max(0, (nowMs - thenMs) / 1000);
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return format.format(0, "second");
}

/**
 * @param {string} lang of a page: whoever wrote it may have meant a locale of the operating system
 * @returns {string} the language for `Intl`, which throws at a tag that is none
 */
export function languageTag(lang) {
  const dashed = lang.replaceAll("_", "-");
  // "pt_BR.UTF-8" and "en-US-" are Portuguese and English at least.
  const [language] = dashed.split(/[^A-Za-z0-9]/);
  for (const tag of [dashed, dashed.replace(/[.@].*$/, ""), language]) {
    try {
      return Intl.getCanonicalLocales(tag)[0] ?? FALLBACK_LANGUAGE;
    } catch {
      // The next one is less exact.
    }
  }
  return FALLBACK_LANGUAGE;
}

/**
 * @param {HTMLTimeElement} element with `dateTime` set
 */
export function showTime(element) {
  const then = new Date(element.dateTime);
  if (Number.isNaN(then.getTime())) return;
  const language = languageTag(document.documentElement.lang);
  const shown = relativeTime(then.getTime(), Date.now(), language);
  if (element.textContent !== shown) element.textContent = shown;
  element.title ||= new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" }).format(then);
}
