// The log: what was said, and what each of the persona's lines rests on.

import { $, element } from "./dom.js";
import { isOwn, nameOf } from "./people.js";
import { firstName } from "./wording.js";

const lines = new Map();
let people = null;

export function showLog(view) {
  const list = $("log");
  const keys = new Set(view.log.map(({ key }) => key));
  for (const [key, item] of lines) {
    if (keys.has(key)) continue;
    item.remove();
    lines.delete(key);
  }
  const scroll = $("log-scroll");
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  for (const [index, entry] of view.log.entries()) {
    if (lines.has(entry.key)) continue;
    const item = lineItem(entry, view);
    lines.set(entry.key, item);
    list.insertBefore(item, list.children[index] ?? null);
  }
  // Names come later and change, and a voice may turn out to be somebody known.
  if (people !== view.people) for (const entry of view.log) if (entry.who === "you") showSpeaker(lines.get(entry.key), entry, view.people);
  people = view.people;
  const nothing = view.log.length === 0;
  $("log-nothing").hidden = !nothing;
  $("copy").disabled = $("save").hidden = $("save-ended").hidden = nothing;
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function lineItem(entry, view) {
  const item = element("li", { className: entry.who });
  if (entry.who !== "note") {
    item.append(element("b", { textContent: firstName(view.persona) }), " ");
  }
  if (entry.who === "you") showSpeaker(item, entry, view.people);
  item.append(element("span", { textContent: entry.text }));
  if (entry.interrupted) item.append(element("em", { textContent: " – stopped here" }));
  if (entry.who === "persona" && entry.sources) item.append(restsOn(entry.sources));
  return item;
}

function showSpeaker(item, entry, among) {
  const name = nameOf(among, entry.by);
  if (item.firstChild.textContent !== name) item.firstChild.textContent = name;
  item.classList.toggle("other", !isOwn(among, entry.by));
}

/** What the persona was told when it said a line, to be opened by who wants to know. */
function restsOn(sources) {
  const details = element("details", { className: "sources" });
  // What is opened at the end of the log is seen too.
  details.ontoggle = () => details.open && details.scrollIntoView({ block: "nearest" });
  const count = sources.length > 1 ? `${sources.length} passages` : sources.length ? "a passage" : "no passage";
  details.append(element("summary", { textContent: `Rests on ${count}` }));
  if (!sources.length) {
    details.append(element("p", { textContent: "No passage of the life story: it is a set line, or the model's own words." }));
  }
  for (const { id, question, text } of sources) {
    const quote = element("blockquote");
    quote.append(element("b", { textContent: question || id }), element("p", { textContent: text || `The server does not tell what ${id} says.` }));
    details.append(quote);
  }
  return details;
}
