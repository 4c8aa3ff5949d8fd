// @ts-check
/** Keeps the progress of a job on its page up to date, until it has ended: then the page comes anew, with what can be done next. */

const EVERY_MS = 1000;
const MAX_PAUSE_MS = 15_000;

/** @param {HTMLElement} section */
async function follow(section) {
  const url = /** @type {string} */ (section.dataset.progressUrl);
  const offline = section.querySelector("[data-offline]");
  let pause = EVERY_MS;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (document.hidden) continue;
    const progress = await read(url);
    offline?.toggleAttribute("hidden", progress !== null);
    if (progress === null) {
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
      continue;
    }
    pause = EVERY_MS;
    show(section, progress);
    if (!progress.is_live) {
      location.replace(location.href);
      return;
    }
  }
}

/** @param {string} url */
async function read(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    // A page that asks to log in is an answer, too, and none that says anything about the job.
    if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return null;
    return await answer.json();
  } catch {
    return null;
  }
}

/**
 * @param {HTMLElement} section
 * @param {{chip: string, percent: number, texts: Record<string, string>}} progress
 */
function show(section, progress) {
  for (const [name, text] of Object.entries(progress.texts)) {
    const place = section.querySelector(`[data-text="${name}"]`);
    if (place && place.textContent !== text) place.textContent = text;
  }
  const chip = section.querySelector("[data-chip]");
  if (chip) {
    chip.className = `hub-chip hub-chip-${progress.chip}`;
    chip.textContent = progress.texts.label;
  }
  const bar = section.querySelector("progress");
  if (bar) bar.value = progress.percent;
}

const section = document.querySelector("[data-progress-url]");
if (section instanceof HTMLElement) follow(section);
