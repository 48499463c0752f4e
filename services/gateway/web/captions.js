// Which words of a reply to show at which moment. Pure.

/** Longest line of thought shown at once, in characters; longer sentences are broken at commas, else anywhere. */
const MOST = 120;
const FEWEST = 24;

/** Groups words so that each group is read in one glance: sentences, or clauses of long ones. */
export function passages(words) {
  const groups = [];
  let group = [];
  let length = 0;
  for (const word of words) {
    if (length && length + word.text.length > MOST) close();
    group.push(word);
    length += word.text.length + 1;
    const sentence = /[.!?…]["'”’)]*$/.test(word.text) && length >= FEWEST;
    const clause = /[,;:—–]["'”’)]*$/.test(word.text) && length > MOST * 0.6;
    if (sentence || clause) close();
  }
  close();
  return groups;

  function close() {
    if (group.length) groups.push(group);
    group = [];
    length = 0;
  }
}

/**
 * The passage to show at `ms` of the reply, and how many of its words have begun: `{words, begun, index}`.
 * null before the first word. A passage stays until the first word of the next one begins.
 */
export function shownAt(groups, ms) {
  let shown = null;
  for (const [index, words] of groups.entries()) {
    const begun = words.filter((word) => word.start <= ms).length;
    if (!begun) break;
    shown = { words, begun, index };
  }
  return shown;
}
