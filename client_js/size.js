/** Prints what the device costs a page, and fails over the limit in package.json. */

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = new URL(".", import.meta.url);
const { sizeLimit } = JSON.parse(readFileSync(new URL("package.json", here), "utf8"));
const { outputFiles } = await build({
  entryPoints: [new URL("src/index.js", here).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "esnext",
  write: false,
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;

console.log(`src/index.js: ${size} bytes minified and compressed, of ${sizeLimit}`);
process.exitCode = size > sizeLimit ? 1 : 0;
