// A conversation to keep: as text to read, as subtitles, and as data. Pure but for `save`.

import { isOwn, nameOf } from "./people.js";

/** The kinds: name of the file's ending -> `{type, of(view)}`. */
export const KINDS = {
  txt: { type: "text/plain", of: asText },
  vtt: { type: "text/vtt", of: asSubtitles },
  json: { type: "application/json", of: asJson },
};

/** The lines as plain text, to be copied. */
export function linesOf(view) {
  return view.log.map((entry) => lineOf(entry, entry.who === "you" ? nameOf(view.people, entry.by) : (view.persona?.name ?? "Persona"))).join("\n");
}

/** Gives the conversation to the user as a file. */
export function save(view, kind) {
  const { type, of } = KINDS[kind];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([of(view)], { type }));
  link.download = fileName(view, kind);
  link.click();
  // The browser has read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function fileName(view, kind) {
  const who = (view.persona?.id ?? "persona").replace(/[^\w-]/g, "");
  return `${who}-${stamp(begin(view)).slice(0, 16).replace(/\D/g, "-")}.${kind}`;
}

function asText(view) {
  const head = [whatItIs(view), view.persona?.disclosure, `Begun ${stamp(begin(view))}.`];
  if (view.dropped) head.push(`The first ${view.dropped} lines are not kept here.`);
  const lines = view.log.map((entry) => {
    const said = lineOf(entry, speaker(view, entry));
    const questions = (entry.sources ?? []).map(({ id, question }) => question || id);
    return [`[${stamp(entry.from).slice(11)}] ${said}`, ...(questions.length ? [`           rests on: ${questions.join(" / ")}`] : [])].join("\n");
  });
  return `${head.filter(Boolean).join("\n")}\n\n${lines.join("\n")}\n`;
}

/** Times count from the first line. A line is shown until it was said to its end. */
function asSubtitles(view) {
  const start = begin(view);
  const cues = view.log
    .filter(({ who }) => who !== "note")
    .map((entry) => {
      const [from, to] = [entry.from - start, Math.max(entry.at, entry.from + 1000) - start];
      return `${clock(from)} --> ${clock(to)}\n<v ${plain(speaker(view, entry))}>${plain(spoken(entry))}`;
    });
  return `${["WEBVTT", `NOTE\n${plain(whatItIs(view))} ${plain(view.persona?.disclosure ?? "")}`, ...cues].join("\n\n")}\n`;
}

function asJson(view) {
  const { id = "", name = "", disclosure = "" } = view.persona ?? {};
  const lines = view.log.map(({ who, by, text, typed, interrupted, from, at, sources }) => ({
    who: who === "you" && !isOwn(view.people, by) ? "other" : who,
    ...(who === "you" && { name: nameOf(view.people, by) }),
    text,
    from: new Date(from).toISOString(),
    to: new Date(at).toISOString(),
    ...(who === "you" && { typed: Boolean(typed) }),
    ...(who === "persona" && { interrupted: Boolean(interrupted), sources: sources ?? [] }),
  }));
  return `${JSON.stringify({ persona: { id, name, ai: true, disclosure }, conversation_id: view.conversationId, dropped_lines: view.dropped, lines }, null, 2)}\n`;
}

function whatItIs(view) {
  return `A conversation with ${view.persona?.name ?? "a persona"}, who is an AI.`;
}

function lineOf(entry, name) {
  return entry.who === "note" ? `(${entry.text})` : `${name}: ${spoken(entry)}`;
}

function speaker(view, entry) {
  return entry.who === "you" ? nameOf(view.people, entry.by) : `${view.persona?.name ?? "Persona"} (AI)`;
}

function spoken(entry) {
  return entry.interrupted ? `${entry.text} —` : entry.text;
}

function begin(view) {
  return view.log[0]?.from ?? Date.now();
}

/** "2026-11-30 14:05:09", in the user's own time. */
function stamp(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** "00:01:02.345" */
function clock(ms) {
  return new Date(Math.max(0, ms)).toISOString().slice(11, 23);
}

/** As subtitles have it: no marks of their own, and never an empty line. */
function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replace(/\s+/g, " ");
}
