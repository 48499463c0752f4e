// The document, in short.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** A new element with these properties. */
export function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}
