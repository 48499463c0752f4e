// An invitation into a conversation that somebody else is having: the address names it, and whoever comes says what they are called.

import { $ } from "./dom.js";
import { prefs, remember } from "./prefs.js";

let conversation = new URLSearchParams(location.search).get("join") ?? "";

/** The id of the conversation that this page is invited to; empty: to none. */
export const invitedTo = () => conversation;

/** Shows the invitation in place of whom else one could talk to. */
export function showInvitation() {
  $("invited").hidden = !conversation;
  if (!conversation) return;
  $("people").hidden = $("start-starters").hidden = true;
  $("my-name").value = prefs.name;
  $("my-name").onchange = ({ target }) => remember({ name: target.value.trim() });
}

/** The conversation is over, or is not here: from now on the page is as without an invitation. */
export function dropInvitation() {
  conversation = "";
  const address = new URL(location.href);
  address.searchParams.delete("join");
  history.replaceState(null, "", address);
}

/** The address that invites into a conversation with this persona. */
export function invitationTo(conversationId, persona, base) {
  const link = new URL(base);
  link.searchParams.set("persona", persona.id);
  link.searchParams.set("join", conversationId);
  return link.href;
}
