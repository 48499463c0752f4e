// What the page says when a conversation cannot begin or has ended. Sentences for people, by reason.

/** The person's first name, for sentences. */
export const firstName = (persona) => persona?.name?.split(" ")[0] ?? "the persona";

const REFUSED = {
  full: (info) => ({
    title: "All places are taken",
    text: `${places(info?.limits?.connections)} A place may be free in a moment.`,
  }),
  unreachable: () => ({
    title: "The server cannot be reached",
    text: "It may be restarting, or your network is down. This page goes on trying.",
  }),
  loading: () => ({ title: "The server is starting", text: "It is loading its models, which takes a moment." }),
  unavailable: () => ({ title: "The server is restarting", text: "A part of it is away at the moment. It usually comes back by itself." }),
  forbidden_origin: (_, message) => ({ title: "Not from this page", text: message }),
  unknown_persona: () => ({ title: "This person is not here", text: "The server does not know who was asked for. Choose somebody at the start." }),
  unknown_conversation: (_, message) => ({ title: "This conversation is not here", text: sentence(message) }),
  not_found: () => ({ title: "This person is not here", text: "The server does not know who was asked for. Choose somebody at the start." }),
  unsupported: () => ({
    title: "This browser cannot take part",
    text: "It plays neither WebRTC nor a WebM stream. A current Chrome, Edge, Firefox or Safari can.",
  }),
};

const ENDED = {
  left: (name) => ({ title: "Goodbye", text: `You ended the conversation with ${name}.` }),
  idle: (name) => ({ title: "It has been quiet for a while", text: `${name} has gone. Nothing keeps you from talking again.` }),
  replaced: () => ({ title: "You went on in another window", text: "The conversation goes on there. This one is closed." }),
  unknown_conversation: (_, message) => ({ title: "This conversation is not here", text: sentence(message) }),
  too_many_messages: () => ({ title: "That was too much at once", text: "The server ended this connection because too many messages came." }),
  too_large: () => ({ title: "That was too much at once", text: "The server ended this connection because a message was too large." }),
};

/** What the gateway says in the middle of a line, as a line of its own. */
function sentence(message) {
  return `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`;
}

function places(count) {
  if (count === 1) return "This server talks to one person at a time, and somebody is talking.";
  return `This server talks to ${count ?? "a few"} people at once, and all of them are talking.`;
}

/** `{title, text}` for a phase `refused` or `reconnecting`. */
export function whatRefused({ reason, message }, info) {
  const known = REFUSED[reason];
  return known ? known(info, message) : { title: "The conversation cannot begin", text: message || "Something went wrong. Try again in a moment." };
}

/** A sentence or two for a phase `reconnecting`. */
export function whatLost({ bye }, persona) {
  const name = firstName(persona);
  if (bye?.reason === "shutdown") return `The server is being restarted. ${name} will know what you talked about; this page is connecting again …`;
  return `The connection was lost. ${name} waits; this page is connecting again …`;
}

/** `{title, text}` for a phase `ended`. */
export function whatEnded({ reason, message }, persona) {
  const known = ENDED[reason]?.(firstName(persona), message);
  return known ?? { title: "The conversation has ended", text: message || "The server ended it." };
}
