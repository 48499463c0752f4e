// The conversation as seen from the page: a pure function from messages of the gateway to what there is to show.
// No DOM, no clock, no network; whoever draws it decides how.

import { gathered, gone, heardOf, met, nobody, relabelled } from "./people.js";

/** Abilities in words for people. */
export const ABILITIES = {
  orchestrator: "Conversation",
  asr: "Hearing",
  turn: "Turn-taking",
  llm: "Thoughts",
  tts: "Voice",
  face: "Face",
};

const MAX_LOG = 2000;

/** What there is before anything was said. */
export function empty() {
  return {
    persona: null,
    people: nobody(),
    conversationId: "",
    token: "",
    missing: [],
    video: null,
    floor: "silent",
    turnId: 0,
    stopped: false, // the last reply was cut off, and nothing has happened since
    you: null, // what the user says now: {id, by, from, stable, rest, final, typed}
    reply: null, // what the persona says now: {turnId, from, words: [{text, start, end}], over}
    log: [], // what was said: {key, who: "you" | "persona" | "note", by, text, typed, interrupted, from, at, sources}; "you" is any of the people
    dropped: 0, // lines that the log holds no longer
    notices: [], // {key, severity, reason, message, ability}
    backchannel: null, // what the persona said last while it listened: {key, text}
    stages: null, // of the last reply: [[name, ms], ...]
    bye: null,
    keys: 0,
  };
}

/**
 * The view after one message of the gateway, which came at `now`, in ms since 1970. Unknown types change nothing, so that the
 * protocol can grow.
 */
export function reduce(view, message, now = 0) {
  const step = STEPS[message?.type];
  return step ? step(view, message, now) : view;
}

/** The view without one of its notices. */
export function dismiss(view, key) {
  return { ...view, notices: view.notices.filter((notice) => notice.key !== key) };
}

const STEPS = {
  ready(view, message, now) {
    const another = view.conversationId && view.conversationId !== message.conversation_id;
    // A session that was opened anew counts utterances and replies from 1 again: what was logged keeps its place, not its id.
    const counted = message.resumed ? view : { ...view, reply: null, you: null, turnId: 0, log: view.log.map((each) => ({ ...each, id: null })) };
    const fresh = another ? logged(counted, { who: "note", text: "A new conversation", from: now, at: now }) : counted;
    return {
      ...fresh,
      persona: message.persona ?? view.persona,
      people: gathered(view.people, message.participant, message.others),
      conversationId: message.conversation_id ?? "",
      token: message.token ?? "",
      missing: message.missing ?? [],
      video: message.video ?? null,
      bye: null,
    };
  },

  state(view, message) {
    const turnId = message.turn_id ?? view.turnId;
    const moved = message.state === "thinking" || message.state === "speaking";
    return { ...view, floor: message.state, turnId, stopped: moved ? false : view.stopped };
  },

  participant(view, message) {
    return { ...view, people: met(view.people, message) };
  },

  relabel(view, { from_id: from, to_id: to }) {
    return { ...view, people: relabelled(view.people, from, to) };
  },

  left(view, { participant_id: id }) {
    return { ...view, people: gone(view.people, id) };
  },

  transcript(view, message, now) {
    const stable = message.stable_text ?? "";
    const text = (message.text ?? "").trim();
    if (!text) return message.final ? { ...view, you: null } : view;
    const you = {
      id: message.utterance_id,
      by: message.participant_id ?? "",
      from: view.you && !view.you.final && view.you.id === message.utterance_id ? view.you.from : now,
      stable: message.final ? text : stable,
      rest: message.final ? "" : text.slice(text.startsWith(stable) ? stable.length : 0),
      final: Boolean(message.final),
      typed: Boolean(message.typed),
    };
    if (!message.final && !text.startsWith(stable)) you.stable = "";
    const next = { ...view, you, people: heardOf(view.people, you.by), stopped: false };
    return message.final ? logged(next, { who: "you", by: you.by, text, typed: you.typed, id: you.id, from: you.from, at: now }) : next;
  },

  caption(view, message, now) {
    const current = view.reply;
    if (current && message.turn_id < current.turnId) return view;
    const goesOn = current && current.turnId === message.turn_id;
    const known = goesOn ? current.words : [];
    const timed = (message.words ?? []).map(([text, start, end]) => ({ text, start, end }));
    // Words without times are of a reply that has no voice: they are shown at once.
    const words = timed.length ? timed : split(message.text).map((text) => ({ text, start: -Infinity, end: -Infinity }));
    // What the user says from now on comes after it in the log, though it is logged before the reply is over.
    const place = known.length ? current.place : view.keys;
    const from = goesOn ? current.from : now;
    return { ...view, reply: { turnId: message.turn_id, from, words: [...known, ...words], place, over: false, interrupted: false } };
  },

  turn(view, message, now) {
    const reply = view.reply && view.reply.turnId === message.turn_id ? view.reply : null;
    const heard = (message.heard_text ?? "").trim();
    const interrupted = Boolean(message.interrupted);
    const words = split(heard).length;
    const next = {
      ...view,
      reply: reply && { ...reply, words: interrupted ? reply.words.slice(0, words) : reply.words, over: true, interrupted },
      stopped: interrupted,
    };
    const entry = { who: "persona", text: heard, interrupted, from: reply?.from ?? now, at: now, sources: message.sources };
    return heard ? logged(next, entry, reply?.place) : next;
  },

  backchannel(view, message) {
    return message.text ? { ...view, backchannel: { key: view.keys, text: message.text }, keys: view.keys + 1 } : view;
  },

  metrics(view, message) {
    return { ...view, stages: message.stages ?? [] };
  },

  notice(view, message) {
    const ability = message.ability ?? "";
    const restored = /_restored$/.test(message.reason ?? "");
    const kept = view.notices.filter((each) => !(each.reason === message.reason || (restored && ability && each.ability === ability)));
    const missing = restored ? view.missing.filter((each) => each !== ability) : view.missing;
    const notice = {
      key: view.keys,
      severity: message.severity ?? "info",
      reason: message.reason ?? "",
      message: message.message ?? "",
      ability,
    };
    return { ...view, missing, notices: [...kept, notice].slice(-4), keys: view.keys + 1 };
  },

  bye(view, message) {
    return { ...view, bye: { reason: message.reason ?? "", message: message.message ?? "" }, floor: "silent" };
  },
};

/** With one entry more: the last one, or the last before all whose keys are `place` or above. */
function logged(view, entry, place = Infinity) {
  // All versions of one utterance have one id: a later final replaces the earlier.
  const log = entry.id == null ? view.log : view.log.filter((each) => each.id !== entry.id);
  const before = log.filter(({ key }) => key < place);
  const after = log.filter(({ key }) => key >= place);
  const all = [...before, { key: view.keys, ...entry }, ...after];
  return { ...view, log: all.slice(-MAX_LOG), dropped: view.dropped + Math.max(0, all.length - MAX_LOG), keys: view.keys + 1 };
}

function split(text) {
  return (text ?? "").split(/\s+/).filter(Boolean);
}
