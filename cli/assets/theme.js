// Runs before the first paint, so that nobody is dazzled by the other theme.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch {
    // Without storage the system's choice stands.
  }
})();
