// What <vivant-person> is made of. It is light or dark as the page's `color-scheme` says. The styles are a constructed sheet: pages that forbid inline styles can hold it too.

const HTML = `
<div id="frame" part="frame" data-phase="idle" data-floor="silent">
  <img id="portrait" alt="" hidden>
  <video id="video" autoplay playsinline aria-label="Live video of a person who is an AI"></video>
  <button type="button" id="ai" aria-controls="disclosure"><b>AI</b> <span id="ai-name"></span></button>
  <p id="disclosure" hidden></p>
  <p id="floor"></p>
</div>
<p id="you"></p>
<p id="reply" part="caption" hidden></p>
<p id="trouble" role="status"></p>
<div id="idle">
  <button type="button" id="start" class="primary" part="start">Start talking</button>
  <button type="button" id="type">Type instead</button>
</div>
<form id="form"><fieldset id="controls" hidden>
  <button type="button" id="mute" aria-pressed="false">Mute</button>
  <input id="words" type="text" maxlength="2000" aria-label="Type a message" autocomplete="off" enterkeyhint="send">
  <button type="button" id="stop" disabled>Stop</button>
  <button type="button" id="end">End</button>
</fieldset></form>`;

const CSS = `
:host { display: block; max-width: 28rem; font: 1rem/1.45 system-ui, sans-serif;
  --paper: light-dark(#f6f2eb, #171513); --ink: light-dark(#26221d, #f0eae0); --soft: light-dark(#635a4f, #b4aa9c); --raised: light-dark(#fffdf9, #211e1b);
  --edge: light-dark(#8b8072, #857a6c); --clay: light-dark(#a0412a, #e8957a); --on-clay: light-dark(#fffaf5, #2a120a);
  --sage: light-dark(#3c6b55, #93c6ab); --amber: light-dark(#8a5a06, #e3b566); color: var(--ink); background: var(--paper); padding: .875rem; border-radius: 1.75rem; }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
p, fieldset { margin: 0; padding: 0; border: 0; }
#frame { --tone: var(--edge); position: relative; aspect-ratio: 1; border-radius: 1.25rem; overflow: hidden; background: #8885;
  outline: 3px solid transparent; outline-offset: 3px; margin-bottom: .75rem; }
#frame[data-floor="listening"] { --tone: var(--sage); } #frame[data-floor="thinking"] { --tone: var(--amber); }
#frame[data-floor="speaking"], #frame[data-floor="paused"] { --tone: var(--clay); }
#frame[data-phase="live"] { outline-color: var(--tone); } #frame[data-floor="thinking"] { outline-style: dotted; }
#frame[data-floor="paused"] { outline-style: dashed; }
img, video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; }
#ai { position: absolute; top: .625rem; left: .625rem; border: 0; background: #1d1916; color: #fff; font-size: .8125rem; min-height: 2rem; padding: 0 .75rem; }
#disclosure { position: absolute; top: 3.25rem; left: .625rem; right: .625rem; padding: .75rem 1rem; border-radius: 1rem; background: #1d1916; color: #fff; font-size: .875rem; }
#floor { position: absolute; left: 50%; bottom: .625rem; translate: -50%; padding: .125rem .75rem; border-radius: 1rem; background: var(--raised); font-size: .875rem; font-weight: 600; }
#frame:not([data-phase="live"]) #floor { display: none; }
#you { color: var(--soft); font-style: italic; } #you.final { color: var(--ink); font-style: normal; }
#reply { font: 1.25rem/1.35 Charter, Georgia, serif; min-height: 2.7em; }
#reply span { opacity: 0; } #reply .begun { opacity: 1; } #reply.cut::after { content: " —"; }
#trouble { color: var(--soft); }
#idle, #controls { display: flex; flex-wrap: wrap; gap: .5rem; padding-top: .5rem; }
button, input { font: inherit; color: inherit; min-height: 2.75rem; border-radius: 2rem; border: 1.5px solid var(--edge); background: var(--raised); padding: 0 1rem; }
button { cursor: pointer; } button:disabled { color: var(--soft); cursor: default; }
.primary { background: var(--clay); border-color: var(--clay); color: var(--on-clay); font-weight: 600; }
#mute[aria-pressed="true"] { border-style: dashed; border-color: var(--clay); color: var(--clay); }
#mute[aria-pressed="false"] { box-shadow: 0 0 0 calc(var(--level, 0) * 6px) color-mix(in oklab, var(--sage) 30%, transparent); }
#words { flex: 1 1 100%; min-width: 0; order: -1; }
:focus-visible { outline: 3px solid var(--clay); outline-offset: 2px; }`;

let shared = null;

/** The style sheet, one for all persons of a page. */
export function sheet() {
  if (!shared) {
    shared = new CSSStyleSheet();
    shared.replaceSync(CSS);
  }
  return shared;
}

/** A fresh copy of the content. */
export function template() {
  const holder = document.createElement("template");
  holder.innerHTML = HTML;
  return holder.content;
}
