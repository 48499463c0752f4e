// Who takes part, and what to call them: ids are for programs and never shown. Pure.

/** Before anybody is known: who this page is, {id: {name, place}} of all who have appeared, their old ids, and who is here now. */
export const nobody = () => ({ own: "", known: {}, moved: {}, here: [] });

/** A connection has begun: this page is `own`, and these others are here. */
export function gathered(people, own, others = []) {
  // A new connection may have given this page another id: what it has said stays its own.
  const same = people.own && own && people.own !== own.id ? relabelled(people, people.own, own.id) : people;
  const all = [...others, ...(own ? [own] : [])].reduce(met, { ...same, here: [] });
  return { ...all, own: own?.id ?? people.own };
}

/** Somebody is here, or is called something else now. */
export function met(people, { id, name = null, kind = "person" }) {
  if (kind === "persona") return people;
  const before = people.known[id];
  const place = before?.place ?? Object.keys(people.known).length + 1;
  const here = people.here.includes(id) ? people.here : [...people.here, id];
  return { ...people, here, known: { ...people.known, [id]: { name: name ?? null, place } } };
}

/** Somebody has said something: whoever was not known is now. */
export function heardOf(people, id) {
  return !id || people.known[idOf(people, id)] ? people : met(people, { id });
}

/** Whoever was known as `from` is `to`, also in what was said before. */
export function relabelled(people, from, to) {
  const moved = Object.fromEntries(Object.entries(people.moved).map(([id, now]) => [id, now === from ? to : now]));
  const { [from]: was, ...known } = people.known;
  return {
    ...people,
    moved: { ...moved, [from]: to },
    known: was && !known[to] ? { ...known, [to]: was } : known,
    here: [...new Set(people.here.map((id) => (id === from ? to : id)))],
  };
}

/** Somebody has gone; they keep what they are called. */
export function gone(people, id) {
  return { ...people, here: people.here.filter((each) => each !== idOf(people, id)) };
}

/** The id that somebody has now, who had this one once. */
function idOf(people, id) {
  return people.moved[id] ?? id;
}

export function isOwn(people, id) {
  return !id || idOf(people, id) === idOf(people, people.own);
}

/** What to call somebody: their name, else "You", else by their place among all who have appeared. */
export function nameOf(people, id) {
  const who = people.known[idOf(people, id)];
  if (who?.name) return who.name;
  return isOwn(people, id) ? "You" : `Person ${who?.place ?? Object.keys(people.known).length + 1}`;
}

/** What the others are called who are here now. */
export function othersOf(people) {
  return people.here.filter((id) => !isOwn(people, id)).map((id) => nameOf(people, id));
}
