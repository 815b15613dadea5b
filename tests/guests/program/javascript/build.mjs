import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [source, witPath, worldName, target] = process.argv.slice(2);
const text = await readFile(source, "utf8");
const { component } = await componentize(text, { witPath, worldName });
await writeFile(target, component);
