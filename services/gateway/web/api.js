// The gateway's HTTP doors.

/** A refusal by the gateway, or no answer at all (`reason` "unreachable"). */
export class Refused extends Error {
  constructor(reason, message, status = 0) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}

/** What is known before a conversation: personas, ICE servers, whether all is ready. Raises Refused. */
export function getInfo(base) {
  return request(new URL("api/info", base), {});
}

/** Sends an SDP offer; gives the answer. Raises Refused. The body is sent as plain text: so other sites need no preflight. */
export function postOffer(base, offer, signal) {
  return request(new URL("api/offer", base), { method: "POST", body: JSON.stringify(offer), signal });
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("unreachable", "The server does not answer.");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const { reason = `http_${response.status}`, message = "The server refused." } = body.error ?? {};
  throw new Refused(reason, message, response.status);
}
