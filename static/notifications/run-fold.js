// @ts-check
/**
 * The fold of a run: its events become the object that a watcher shows.
 *
 * Pure: no DOM, no network, no clock. It is held to the fold of the hub (`notifications/runs/`) by the same
 * cases. What holds of a run:
 * - an event at or before `cursor` does nothing, so repeats are harmless;
 * - an event of another epoch is refused: a snapshot has to come first;
 * - a delta goes to the newest part of its message and kind, unless a call of that message came after it.
 */
import { compareCursors } from "./policy.js";

/**
 * @typedef {{kind: string, message?: string | null, text?: string, call?: string, step?: string,
 *   name?: string, source?: Record<string, string>}} Part
 * @typedef {{id: string, name: string, message: string | null, state: string, arguments: unknown,
 *   result: unknown, error: string | null}} Tool
 * @typedef {{id: string, name: string, parent: string | null, state: string, output: unknown,
 *   started_at: string, finished_at: string | null}} Step
 * @typedef {{parts: Part[], messages: {id: string, role: string}[], tools: Tool[], steps: Step[],
 *   data: Record<string, unknown>}} Transcript
 * @typedef {Record<string, any> & {state: string, cursor: string, number: number,
 *   transcript: Transcript}} RunObject
 * @typedef {Record<string, any> & {event: string, number: number, at: string}} RunEvent
 */

const ENDED = ["completed", "failed", "cancelled"];
const ENVELOPE = ["event", "run", "number", "at"];

/**
 * @param {RunObject} snapshot
 * @returns {RunObject} a copy, which `offer` changes
 */
export function openRun(snapshot) {
  return structuredClone(snapshot);
}

/**
 * @param {RunObject} run
 * @param {RunEvent} event
 * @param {string} cursor of the event
 * @returns {"applied" | "known" | "foreign"}
 */
export function offer(run, event, cursor) {
  const order = compareCursors(cursor, run.cursor);
  if (order === null) return "foreign";
  if (order <= 0 || ENDED.includes(run.state)) return "known";
  const fold = Object.hasOwn(FOLDS, event.event) ? FOLDS[event.event] : null;
  if (fold) fold(run, event);
  run.number = event.number;
  run.cursor = cursor;
  return "applied";
}

/** @type {Record<string, (run: RunObject, event: RunEvent) => void>} */
const FOLDS = {
  "run.started": start,
  "run.step_started": startStep,
  "run.step_finished": finishStep,
  "run.message_started": (run, event) => beginMessage(run.transcript, event.message, event.role),
  "run.text": (run, event) => addDelta(run.transcript, "text", event),
  "run.reasoning": (run, event) => addDelta(run.transcript, "reasoning", event),
  "run.tool_called": callTool,
  "run.tool_returned": returnTool,
  "run.citation": cite,
  "run.progress": progress,
  "run.data": replaceData,
  "run.truncated": (run) => {
    run.is_truncated = true;
  },
  "run.completed": (run, event) => end(run, event, "completed", null),
  "run.failed": (run, event) => end(run, event, "failed", { code: event.code, message: event.message }),
  "run.cancelled": (run, event) =>
    end(run, event, "cancelled", { code: "cancelled", message: event.reason ?? "", by: event.by }),
};

/** @param {RunObject} run @param {RunEvent} event */
function start(run, event) {
  for (const [name, value] of Object.entries(event)) {
    if (!ENVELOPE.includes(name)) run[name] = value;
  }
  run.started_at = event.started_at ?? event.at;
}

/** @param {Transcript} transcript @param {string | null | undefined} message @param {string} role */
function beginMessage(transcript, message, role = "assistant") {
  if (message == null || transcript.messages.some((known) => known.id === message)) return;
  transcript.messages.push({ id: message, role });
}

/** @param {Transcript} transcript @param {string} kind @param {RunEvent} event */
function addDelta(transcript, kind, event) {
  if (!event.delta) return;
  const part = newestPart(transcript, kind, event.message);
  if (part) {
    part.text += event.delta;
    return;
  }
  beginMessage(transcript, event.message);
  transcript.parts.push({ kind, message: event.message, text: event.delta });
}

/**
 * @param {Transcript} transcript
 * @param {string} kind
 * @param {string} message
 * @returns {Part | null} the part that goes on; none once a call of its message came after it
 */
function newestPart(transcript, kind, message) {
  for (let place = transcript.parts.length - 1; place >= 0; place -= 1) {
    const part = transcript.parts[place];
    if (part.kind === kind && part.message === message) return part;
    if (part.kind === "tool" && toolOf(transcript, part.call)?.message === message) return null;
  }
  return null;
}

/** @param {Transcript} transcript @param {string | undefined} call */
function toolOf(transcript, call) {
  return transcript.tools.find((tool) => tool.id === call);
}

/** @param {RunObject} run @param {RunEvent} event */
function callTool({ transcript }, event) {
  if (toolOf(transcript, event.call)) return;
  const message = event.message ?? null;
  beginMessage(transcript, message);
  const given = { id: event.call, name: event.name, message, state: "running" };
  transcript.tools.push({ ...given, arguments: event.arguments ?? null, result: null, error: null });
  transcript.parts.push({ kind: "tool", call: event.call });
}

/** @param {RunObject} run @param {RunEvent} event */
function returnTool({ transcript }, event) {
  const tool = toolOf(transcript, event.call);
  if (tool?.state !== "running") return;
  tool.state = "error" in event ? "failed" : "completed";
  tool.result = event.result ?? null;
  tool.error = event.error ?? null;
}

/** @param {RunObject} run @param {RunEvent} event */
function startStep({ transcript }, event) {
  if (transcript.steps.some((step) => step.id === event.step)) return;
  const given = { id: event.step, name: event.name, parent: event.parent ?? null, state: "running" };
  transcript.steps.push({ ...given, output: null, started_at: event.at, finished_at: null });
  transcript.parts.push({ kind: "step", step: event.step });
}

/** @param {RunObject} run @param {RunEvent} event */
function finishStep({ transcript }, event) {
  const step = transcript.steps.find((known) => known.id === event.step);
  if (step?.state !== "running") return;
  step.state = "completed";
  step.output = event.output ?? null;
  step.finished_at = event.at;
}

/** @param {RunObject} run @param {RunEvent} event */
function cite({ transcript }, event) {
  const message = event.message ?? null;
  beginMessage(transcript, message);
  transcript.parts.push({ kind: "source", message, source: event.source });
}

/** @param {RunObject} run @param {RunEvent} event */
function progress(run, event) {
  run.progress = { done: event.done, total: event.total ?? null, note: event.note ?? "" };
}

/** @param {RunObject} run @param {RunEvent} event */
function replaceData({ transcript }, event) {
  if (!Object.hasOwn(transcript.data, event.name)) {
    transcript.parts.push({ kind: "data", name: event.name });
  }
  transcript.data[event.name] = event.value;
}

/**
 * @param {RunObject} run
 * @param {RunEvent} event
 * @param {string} state
 * @param {Record<string, unknown> | null} error
 */
function end(run, event, state, error) {
  for (const entry of [...run.transcript.tools, ...run.transcript.steps]) {
    if (entry.state !== "running") continue;
    entry.state = "interrupted";
    if ("finished_at" in entry) entry.finished_at = event.at;
  }
  const { result = null, usage = null, interrupts = [] } = event;
  Object.assign(run, { state, finished_at: event.at, result, usage, error, interrupts });
}
