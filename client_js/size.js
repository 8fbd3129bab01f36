/**
 * Prints what each module costs a page that loads it by name, with all that it imports: the entry points in
 * package.json, and what they load later. Fails over a limit in `sizeLimits` there, and without one.
 */

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = new URL(".", import.meta.url).pathname;
const { exports, sizeLimits } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));

const bundle = (entry) =>
  build({
    absWorkingDir: here,
    entryPoints: [entry],
    outdir: "out",
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "esnext",
    external: ["react"],
    metafile: true,
    write: false,
  });

/** An output of a bundle, and those that come with it. */
const together = (outputs, path, found = new Set()) => {
  found.add(path);
  for (const { kind, path: next, external } of outputs[path].imports) {
    if (kind === "import-statement" && !external && !found.has(next)) together(outputs, next, found);
  }
  return found;
};

const sizes = {};
const measure = async (entry) => {
  const { outputFiles, metafile } = await bundle(entry);
  const outputs = Object.entries(metafile.outputs);
  const [path] = outputs.find(([, { entryPoint }]) => entryPoint === entry);
  const parts = [...together(metafile.outputs, path)].map((part) => outputFiles.find((file) => file.path.endsWith(part)));
  sizes[entry] = gzipSync(Buffer.concat(parts.map(({ contents }) => contents)), { level: 9 }).length;
  for (const [, { entryPoint }] of outputs) if (entryPoint && !(entryPoint in sizes)) await measure(entryPoint);
};

for (const { default: file } of Object.values(exports)) await measure(file.slice(2));
for (const [file, size] of Object.entries(sizes)) {
  const limit = sizeLimits[file];
  console.log(`${file}: ${size} bytes minified and compressed, of ${limit ?? "no limit: name one"}`);
  if (!(size <= limit)) process.exitCode = 1;
}
