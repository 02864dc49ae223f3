// Starts the page: sets the theme before the first paint, then loads the program.
// Trunk puts the two file names on this script's own tag.
(() => {
  const { js, wasm } = document.currentScript.dataset;
  const theme = new URLSearchParams(location.search).get("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;

  const fail = (error) => {
    console.error(error);
    const note = document.createElement("p");
    note.className = "notice";
    note.setAttribute("role", "alert");
    note.textContent =
      "The interactive part of this paper could not be started (" + error + "). Reload the page, or use a current browser with WebAssembly.";
    document.getElementById("app").prepend(note);
  };
  const start = async () => {
    try {
      const program = await import(new URL(js, document.baseURI).href);
      await program.default({ module_or_path: new URL(wasm, document.baseURI).href });
    } catch (error) {
      fail(error);
    }
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
