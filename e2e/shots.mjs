// Screenshots of the built page for the eye: narrow and wide, light and dark, whole and by section, into target/shots.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { stage } from "./lib/browser.mjs";

const OUT = fileURLToPath(new URL("../target/shots/", import.meta.url));
const SECTIONS = ["overview", "results", "explorer", "shapes", "your-trace", "advice", "appendix"];

mkdirSync(OUT, { recursive: true });
const set = await stage();
try {
  for (const width of [360, 1280]) {
    for (const colorScheme of ["light", "dark"]) await shoot(width, colorScheme);
  }
} finally {
  await set.close();
}

async function shoot(width, colorScheme) {
  const { page, errors, close } = await set.open("", { colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" });
  await page.waitForLoadState("networkidle");
  await page.waitForTimeout(1_500);
  const save = async (target, name) => {
    const file = path.join(OUT, `${name}-${colorScheme}-${width}.png`);
    await target.screenshot({ path: file, ...(target === page ? { fullPage: true } : {}) });
    console.log(file);
  };
  await save(page, "page");
  for (const id of SECTIONS) {
    const section = page.locator(`#${id}`);
    if (!(await section.count())) continue;
    await section.scrollIntoViewIfNeeded();
    await page.waitForTimeout(300);
    await save(section, id);
  }
  for (const error of errors) console.error(`${colorScheme} ${width}: ${error}`);
  await close();
}
