// The face elsewhere: over the whole screen, and in a small window above others. A browser that cannot has no button for it.

import { $ } from "./dom.js";

/** Joins the buttons; `failed(message)` is told when the browser refuses. */
export function setUpPicture(video, stage, failed) {
  const [whole, floating] = [$("whole"), $("floating")];
  whole.hidden = !document.fullscreenEnabled;
  floating.hidden = !(document.pictureInPictureEnabled && video.requestPictureInPicture);
  whole.onclick = () => {
    const wanted = document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen();
    wanted.catch(() => failed("The browser does not let this page fill the screen."));
  };
  floating.onclick = () => {
    const wanted = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
    wanted.catch(() => failed("The browser does not let this page open a small window."));
  };
  document.addEventListener("fullscreenchange", () => name(whole, document.fullscreenElement, "Leave the full screen", "Full screen"));
  for (const change of ["enterpictureinpicture", "leavepictureinpicture"]) {
    video.addEventListener(change, () => name(floating, document.pictureInPictureElement, "Back from the small window", "Small window"));
  }
}

/** Brings the face back to the page. */
export function bringBack() {
  // What is closed already by the user's own hand is no failure.
  if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
}

function name(button, on, back, there) {
  button.title = on ? back : there;
  button.querySelector("span").textContent = button.title;
}
