"use strict";
// The review queue by keyboard. Without this script everything works by mouse: a checkbox of the page removes the blur.
(() => {
  const byId = (id) => document.getElementById(id);
  const [reveal, reason, approve, reject, next] = ["reveal", "reason", "approve", "reject", "next"].map(byId);
  const sentences = [...document.querySelectorAll("#sentences option")].map((option) => option.value);
  if (!reveal || !approve) return;

  // A reviewer approves only a picture that is shown without blur.
  approve.addEventListener("click", (event) => {
    if (reveal.checked) return;
    event.preventDefault();
    reveal.checked = true;
  });

  reject.addEventListener("click", (event) => {
    if (reason.value.trim()) return;
    event.preventDefault();
    reason.focus();
  });

  // Enter in the reason means reject; the form's first button would be approve.
  reason.addEventListener("keydown", (event) => {
    const number = Number(event.key);
    if (event.key === "Enter") {
      event.preventDefault();
      if (reason.value.trim()) reject.click();
    } else if (event.key === "Escape") {
      reason.blur();
    } else if (!reason.value && sentences[number - 1]) {
      event.preventDefault();
      reason.value = sentences[number - 1];
    }
  });

  const keys = {
    " ": () => (reveal.checked = !reveal.checked),
    a: () => approve.click(),
    r: () => reason.focus(),
    n: () => next.click(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input[type=text], input[type=search], textarea, select, button, a, summary");
    const act = keys[event.key.toLowerCase()];
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !act) return;
    event.preventDefault();
    act();
  });
})();
