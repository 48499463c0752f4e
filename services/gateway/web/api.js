// The gateway's HTTP doors.

/** A refusal by the gateway, or no answer at all (`reason` "unreachable"). */
export class Refused extends Error {
  constructor(reason, message, status = 0) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}

/** Nobody answers by then. A conversation may have to be prepared before an offer is answered. */
const INFO_MS = 5000;
const OFFER_MS = 20_000;

/** What is known before a conversation: personas, ICE servers, whether all is ready. Raises Refused. */
export function getInfo(base) {
  return request(new URL("api/info", base), { signal: AbortSignal.timeout(INFO_MS) });
}

/** Sends an SDP offer; gives the answer. Raises Refused. The body is sent as plain text: so other sites need no preflight. */
export function postOffer(base, offer, signal) {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(OFFER_MS)]);
  return request(new URL("api/offer", base), { method: "POST", body: JSON.stringify(offer), signal: patience });
}

/** Says that this conversation is over, by its token or, before it has one, by its visit; works while the page is being closed. */
export function postLeave(base, token, visit) {
  navigator.sendBeacon?.(new URL("api/leave", base), JSON.stringify({ token, visit }));
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("unreachable", "The server does not answer.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  // A log-in page of the network, for example.
  if (response.ok) throw new Refused("unreachable", "Something else answers in place of the server.");
  const { reason = `http_${response.status}`, message = "The server refused." } = body?.error ?? {};
  throw new Refused(reason, message, response.status);
}
