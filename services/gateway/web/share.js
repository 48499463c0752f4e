// Passing a person on: a link to this page, and the lines that put them on a page of one's own.

import { copyText } from "./copying.js";
import { $ } from "./dom.js";
import { announce } from "./view.js";
import { invitationTo } from "./invitation.js";
import { firstName } from "./wording.js";

/** Where only this computer answers. */
const HERE = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export function setUpShare() {
  for (const [button, field] of [["copy-link", "link"], ["copy-invite", "invite"], ["copy-embed", "embed"]]) {
    $(button).onclick = () => copyText($(field).value, $(button), $(field), announce);
    $(field).onfocus = () => $(field).select();
  }
  $("send-link").hidden = !navigator.share;
  // Whoever closes the browser's own sheet has changed their mind.
  $("send-link").onclick = () => navigator.share({ title: document.title, url: $("link").value }).catch(() => {});
}

/** Shows the dialog for this persona of the gateway at `base`, and for the conversation that is going on, if there is one. */
export function openShare(persona, base, conversationId) {
  const server = base.href.replace(/\/$/, "");
  $("share-title").textContent = `Share ${firstName(persona)}`;
  $("link").value = linkTo(persona, base);
  $("invite-row").hidden = !conversationId;
  $("invite").value = conversationId ? invitationTo(conversationId, persona, base) : "";
  $("embed").value = [
    `<script type="module" src="${server}/vivant-person.js"></script>`,
    `<vivant-person src="${server}" persona="${persona.id}" greeting></vivant-person>`,
  ].join("\n");
  $("share-here").hidden = !HERE.test(base.hostname);
  $("share").showModal();
}

function linkTo(persona, base) {
  const link = new URL(base);
  link.searchParams.set("persona", persona.id);
  return link.href;
}
