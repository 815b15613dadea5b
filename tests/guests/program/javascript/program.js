// A program, whose first argument says what to do. It reads and writes files by WASI's
// own names, for JavaScript has none; the rest is what a page in a browser has.
import { getArguments, getEnvironment } from "wasi:cli/environment@0.2.12";
import { exitWithCode } from "wasi:cli/exit@0.2.12";
import { getStdin } from "wasi:cli/stdin@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";

const text = new TextDecoder();
const bytes = new TextEncoder();

function cat() {
  const [from, to] = [getStdin(), getStdout()];
  try {
    for (;;) to.blockingWriteAndFlush(from.blockingRead(4096n));
  } catch (error) {
    if (error.payload?.tag !== "closed") throw error;
  }
}

function files() {
  const [[folder, name]] = getDirectories();
  const at = { symlinkFollow: true };
  const file = folder.openAt(at, "new.txt", { create: true }, { read: true, write: true });
  file.write(bytes.encode("one\ntwo\n"), 0n);
  const [content, ended] = file.read(100n, 4n);
  console.log(`in ${name}: ${text.decode(content).trim()} ${ended}`);
  const found = file.stat();
  console.log(`size ${found.size}, a ${found.type}`);
  file.setTimes({ tag: "no-change" }, { tag: "timestamp", val: { seconds: 2n, nanoseconds: 0 } });
  console.log(`changed ${file.stat().dataModificationTimestamp.seconds}`);
  folder.createDirectoryAt("sub");
  folder.renameAt("new.txt", folder, "sub/other.txt");
  folder.symlinkAt("sub/other.txt", "link");
  console.log(`link to ${folder.readlinkAt("link")}`);
  const listing = folder.readDirectory();
  const names = [];
  for (let entry; (entry = listing.readDirectoryEntry()); ) names.push(entry.name);
  console.log(`names ${names.sort()}`);
  for (const path of ["../secret.txt", "/etc/hostname", "none.txt"]) {
    try {
      folder.openAt(at, path, {}, { read: true });
      console.log(`opened ${path}`);
    } catch (error) {
      console.log(`refused ${path}: ${error.payload}`);
    }
  }
}

const verbs = {
  args: (...words) => console.log(words.join("\n")),
  env: () => console.log(getEnvironment().map((pair) => pair.join("=")).join("\n")),
  cat,
  files,
  async sleep(milliseconds) {
    const begun = performance.now();
    await new Promise((done) => setTimeout(done, Number(milliseconds)));
    console.log(performance.now() - begun >= Number(milliseconds) - 1);
  },
  clock: () => console.log(Date.now()),
  draw() {
    console.log(Math.random());
    console.log(crypto.getRandomValues(new Uint32Array(4)).join());
    console.log(crypto.randomUUID());
  },
  async get(url) {
    try {
      const answer = await fetch(url);
      console.log(answer.status, await answer.text());
    } catch (error) {
      console.log(`failed: ${error.name}`);
    }
  },
  exit: (status) => exitWithCode(Number(status)),
  both() {
    console.log("to stdout");
    console.error("to stderr");
  },
  crash(word) {
    throw new Error(`${word} is no number`);
  },
};

export const run = {
  async run() {
    const [, verb = "args", ...words] = getArguments();
    await verbs[verb](...words);
  },
};
