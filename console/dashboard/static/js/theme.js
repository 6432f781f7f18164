// Runs before the first paint: the theme that was chosen, else the system's; wall mode from the address.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("vpp-theme");
    } catch {
      return null;
    }
  };
  const apply = () => {
    const asked = new URLSearchParams(location.search).get("theme");
    root.dataset.theme = asked || chosen() || (dark.matches ? "dark" : "light");
  };
  apply();
  dark.addEventListener("change", () => {
    apply();
    dispatchEvent(new Event("theme"));
  });
})();
