// Runs before the first paint, so that a chosen theme and text size do not flash.
try {
  const { theme, size } = JSON.parse(localStorage.getItem("vivant") ?? "{}");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  if (size) document.documentElement.dataset.size = size;
} catch {}
