/* What a page needs beyond its text: names for the parts of a player, answers to a number.
   Without this script a page can be read in full. */

(() => {
  "use strict";

  // ------------------------------------------------------------------ players

  const caption = (player) =>
    [...player.querySelectorAll(".nt-frame figcaption")].find((each) => each.offsetParent !== null);

  function nameButtons(player) {
    for (const button of player.querySelectorAll(".widget-play button")) {
      const icon = button.querySelector("i");
      if (!icon) continue;
      const name = icon.classList.contains("fa-pause")
        ? "Pause"
        : icon.classList.contains("fa-play")
          ? "Play"
          : "Stop and go back to the first frame";
      if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
    }
  }

  function tellFrame(player, handle) {
    const words = caption(player)?.textContent.trim();
    if (words && handle.getAttribute("aria-valuetext") !== words) {
      handle.setAttribute("aria-valuetext", words);
    }
  }

  function namePlayer(player) {
    const handle = player.querySelector(".noUi-handle");
    if (!handle || player.dataset.named) return;
    player.dataset.named = "yes";
    player.setAttribute("role", "group");
    const title = player.querySelector(".widget-slider .widget-label")?.textContent.trim();
    player.setAttribute("aria-label", `Player: ${title || "frames"}`);
    handle.setAttribute("aria-label", title || "Frame");
    nameButtons(player);
    tellFrame(player, handle);
    new MutationObserver(() => {
      nameButtons(player);
      tellFrame(player, handle);
    }).observe(player, {
      attributes: true,
      attributeFilter: ["class", "style", "aria-valuenow"],
      childList: true,
      subtree: true,
    });
  }

  function nameEveryPlayer() {
    document.querySelectorAll(".nt-player").forEach(namePlayer);
  }

  // ------------------------------------------------------------------ questions with a number

  // "0.25", "0,25", "1/4", "25 %", "2.5e-1"; NaN for everything else
  function parse(text) {
    const plain = text.trim().replace(/\s+/g, "").replace("\u2212", "-").replace(",", ".");
    const percent = plain.endsWith("%");
    const parts = plain.replace(/%$/, "").split("/");
    if (parts.length > 2 || parts.some((part) => part === "")) return NaN;
    const value = parts.length === 2 ? Number(parts[0]) / Number(parts[1]) : Number(parts[0]);
    return percent ? value / 100 : value;
  }

  function reply(question) {
    const form = question.querySelector("form");
    const answer = question.querySelector(".nt-answer");
    const output = form.querySelector("output");
    const tolerance = Number(question.dataset.tolerance);
    const near = (item, value) => Math.abs(value - Number(item.dataset.value)) <= tolerance;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = parse(form.querySelector("input").value);
      const known = [...question.querySelectorAll("[data-value]")];
      const met = known.find((item) => near(item, value));
      const right = met === answer;
      let words = "That is not a number. Type one, such as 0.25.";
      if (Number.isFinite(value)) {
        words = met
          ? met.querySelector(".nt-why").textContent
          : "Compute it again, or open the answer below.";
      }
      output.className = right ? "nt-right" : "nt-wrong";
      output.replaceChildren(
        Object.assign(document.createElement("strong"), {
          textContent: right ? "Right. " : "Not so. ",
        }),
        words,
      );
    });
  }

  // ------------------------------------------------------------------ start

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".nt-number").forEach(reply);
    nameEveryPlayer();
    if (document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) {
      new MutationObserver(nameEveryPlayer).observe(
        document.querySelector("main") || document.body,
        { childList: true, subtree: true },
      );
    }
  });
})();
