"use strict";
// Renews what runs, and fetches pictures as they come into view. Pages can be read without it.
const SECONDS = 4;
const said = document.getElementById("connection");

async function renew(place) {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.renew);
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    const before = place.querySelector("[data-state]")?.dataset.state;
    if (text !== place.seen) place.innerHTML = place.seen = text;
    const now = place.querySelector("[data-state]")?.dataset.state;
    said.textContent = "";
    if (before !== now) location.reload(); // it has ended: the rest of the page has, too
  } catch {
    said.textContent = "Not connected: what is shown is not renewed.";
  }
}

async function fill(place) {
  try {
    const answer = await fetch(place.dataset.fetch);
    if (answer.status === 202) setTimeout(() => fill(place), 1000);
    if (!answer.ok) throw new Error(answer.statusText);
    place.innerHTML = await answer.text();
    if (answer.status === 202) return;
    place.classList.remove("waiting");
    const drawn = place.querySelectorAll("figure");
    const single = drawn.length === 1 && drawn[0].className === "narrow";
    place.closest("section")?.classList.toggle("single", single);
  } catch {
    place.textContent = "It cannot be shown now; load the page again.";
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((one) => one.isIntersecting)) {
    seen.unobserve(entry.target);
    fill(entry.target);
  }
}, { rootMargin: "200px" });

document.querySelectorAll("[data-fetch]").forEach((place) => seen.observe(place));
document.querySelectorAll("[data-renew]").forEach((place) => setInterval(renew, SECONDS * 1000, place));
